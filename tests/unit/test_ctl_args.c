/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of sluicectl: flags, shorthand, JSON, files, and completion. */
#include "control/ctl_args.h"
#include "control/ctl_complete.h"
#include "control/ctl_help.h"
#include "control/ctl_shorthand.h"
#include "control/ctl_value.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS(...) (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)

/* The parameters of a line that is right, as compact JSON with sorted keys. */
static void gives(const char *expected, char *const *words, size_t n)
{
	struct ctl_error error = {.text = ""};
	struct ctl_args args;
	char *text;

	if (ctl_args_parse(words, n, &args, &error) != 0)
		fail_msg("%s", error.text);
	text = json_dumps(args.params, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text, expected);
	free(text);
	ctl_args_clear(&args);
}

/* A wrong line, and a part of what is said about it. */
static void refused(const char *expected, char *const *words, size_t n)
{
	struct ctl_error error = {.text = ""};
	struct ctl_args args;

	assert_int_equal(ctl_args_parse(words, n, &args, &error), -EINVAL);
	assert_int_equal(error.exit_code, CTL_EXIT_USAGE);
	if (strstr(error.text, expected) == NULL)
		fail_msg("'%s' is not in '%s'", expected, error.text);
	assert_null(args.params);
	ctl_args_clear(&args);
}

static void shorthand(const char *expected, const char *text)
{
	struct ctl_error error = {.text = ""};
	json_t *object = NULL;
	char *got;

	if (ctl_shorthand_parse("--x", text, &object, &error) != 0)
		fail_msg("%s", error.text);
	got = json_dumps(object, JSON_COMPACT);
	assert_string_equal(got, expected);
	free(got);
	json_decref(object);
}

static void no_shorthand(const char *expected, const char *text)
{
	struct ctl_error error = {.text = ""};
	json_t *object = NULL;

	assert_int_equal(ctl_shorthand_parse("--x", text, &object, &error), -EINVAL);
	assert_null(object);
	if (strstr(error.text, expected) == NULL)
		fail_msg("'%s' is not in '%s'", expected, error.text);
}

/* --- flags ---------------------------------------------------------------------------- */

static void reads_a_command_as_the_aws_cli_does(void **state)
{
	(void)state;
	gives("{\"TargetGroupArn\":\"tasks\",\"Targets\":[{\"Id\":\"10.0.1.5\",\"Port\":8080},"
	      "{\"AvailabilityZone\":\"all\",\"Id\":\"fd77::1\"}]}",
	      WORDS("register-targets", "--target-group-arn", "tasks", "--targets",
		    "Id=10.0.1.5,Port=8080", "Id=fd77::1,AvailabilityZone=all"));
	gives("{\"Names\":[\"a\",\"b\",\"c\"],\"PageSize\":7}",
	      WORDS("describe-load-balancers", "--names", "a", "b", "c", "--page-size", "7"));
	gives("{\"Names\":[\"a\",\"b\"]}",
	      WORDS("describe-load-balancers", "--names", "[\"a\", \"b\"]"));
	gives("{\"Detach\":true}", WORDS("shutdown", "--detach"));
	gives("{}", WORDS("shutdown"));
	gives("{\"LoadBalancerArn\":\"--odd\"}",
	      WORDS("delete-load-balancer", "--load-balancer-arn=--odd"));
}

static void reads_actions_in_shorthand_and_in_json(void **state)
{
	const char *expected =
		"{\"DefaultActions\":[{\"ForwardConfig\":{\"TargetGroupStickinessConfig\":"
		"{\"Enabled\":true},\"TargetGroups\":[{\"TargetGroupArn\":\"a\",\"Weight\":9},"
		"{\"TargetGroupArn\":\"b\",\"Weight\":1}]},\"Type\":\"forward\"}],"
		"\"ListenerArn\":\"web:80\"}";

	(void)state;
	gives(expected,
	      WORDS("modify-listener", "--listener-arn", "web:80", "--default-actions",
		    "Type=forward,ForwardConfig={TargetGroups=[{TargetGroupArn=a,Weight=9},"
		    "{TargetGroupArn=b,Weight=1}],TargetGroupStickinessConfig={Enabled=True}}"));
	gives(expected,
	      WORDS("modify-listener", "--listener-arn", "web:80", "--default-actions",
		    " [{\"Type\": \"forward\", \"ForwardConfig\": {\"TargetGroups\": "
		    "[{\"TargetGroupArn\": \"a\", \"Weight\": 9}, {\"TargetGroupArn\": \"b\", "
		    "\"Weight\": 1}], \"TargetGroupStickinessConfig\": {\"Enabled\": true}}}]"));
}

static void reads_truths_in_each_way(void **state)
{
	char *forms[][3] = {
		{"--health-check-enabled", "true", "true"},
		{"--health-check-enabled", "false", "false"},
		{"--no-health-check-enabled", NULL, "false"},
		{"--health-check-enabled", NULL, "true"},
		{"--health-check-enabled=false", NULL, "false"},
	};
	char expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(expected, sizeof(expected),
			 "{\"HealthCheckEnabled\":%s,\"TargetGroupArn\":\"t\"}", forms[i][2]);
		if (forms[i][1] != NULL)
			gives(expected, WORDS("modify-target-group", forms[i][0], forms[i][1],
					      "--target-group-arn", "t"));
		else
			gives(expected,
			      WORDS("modify-target-group", "--target-group-arn", "t", forms[i][0]));
	}
	refused("there is no flag '--no-matcher'",
		WORDS("modify-target-group", "--target-group-arn", "t", "--no-matcher"));
}

static void takes_global_flags_anywhere(void **state)
{
	char *lines[][6] = {
		{"--socket", "/s", "--output", "json", "watch", "--events=FlowsRefused"},
		{"watch", "--events", "FlowsRefused", "--output=json", "--socket", "/s"},
	};
	struct ctl_error error;
	struct ctl_args args;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(ctl_args_parse(lines[i], 6, &args, &error), 0);
		assert_string_equal(args.command->name, "watch");
		assert_string_equal(args.socket, "/s");
		assert_int_equal(args.format, CTL_JSON);
		assert_int_equal(json_object_size(args.params), 1);
		ctl_args_clear(&args);
	}
	refused("must be one of table, json, text", WORDS("--output", "xml", "watch"));
	refused("--socket needs a value", WORDS("watch", "--socket"));
	refused("before the command", WORDS("--names", "watch"));
}

static void help_forgives_what_is_missing(void **state)
{
	char *lines[][3] = {
		{"register-targets", "--help", "--targets"},
		{"--help", "register-targets", "-h"},
		{"help", "register-targets", "--nonsense"},
	};
	struct ctl_error error;
	struct ctl_args args;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(ctl_args_parse(lines[i], i == 2 ? 2 : 3, &args, &error), 0);
		assert_true(args.help);
		assert_string_equal(args.command->name, "register-targets");
		ctl_args_clear(&args);
	}
	assert_int_equal(ctl_args_parse(NULL, 0, &args, &error), 0);
	assert_null(args.command);
	ctl_args_clear(&args);
}

static void says_what_is_wrong_with_a_line(void **state)
{
	(void)state;
	refused("--targets is missing", WORDS("register-targets", "--target-group-arn", "t"));
	refused("--targets needs a value",
		WORDS("register-targets", "--target-group-arn", "t", "--targets"));
	refused("did you mean '--targets'",
		WORDS("register-targets", "--target-group-arn", "t", "--target", "Id=1"));
	refused("did you mean 'register-targets'", WORDS("regster-targets"));
	refused("there is no command 'frobnicate'", WORDS("frobnicate"));
	refused("wait for what", WORDS("wait"));
	refused("wait for what", WORDS("wait", "godot"));
	refused("what is 'stray'", WORDS("shutdown", "stray"));
	refused("--detach takes no value", WORDS("shutdown", "--detach=yes"));
	refused("--names is given twice",
		WORDS("describe-load-balancers", "--names", "a", "--names", "b"));
	refused("METHOD [JSON] is missing", WORDS("call"));
	refused("what is 'c'", WORDS("call", "a", "b", "c"));
	refused("there is no flag '--'", WORDS("shutdown", "--"));
	refused("what is 'more'", WORDS("set-ip-address-type", "--load-balancer-arn", "a", "more"));
}

static void says_what_is_wrong_with_a_value(void **state)
{
	(void)state;
#define TARGET(text) WORDS("register-targets", "--target-group-arn", "t", "--targets", text)
	refused("--targets[0]: unknown key 'Prot', must be one of: Id, Port, AvailabilityZone",
		TARGET("Id=1,Prot=2"));
	refused("--targets[0].Port: '80x' is not a whole number", TARGET("Id=1,Port=80x"));
	refused("'99999999999999999999' is not a whole number",
		TARGET("Id=1,Port=99999999999999999999"));
	refused("--targets[0].Port: a whole number expected", TARGET("[{\"Port\": 1.5}]"));
	refused("--targets[0].Id: a string expected", TARGET("[{\"Id\": 7}]"));
	refused("not JSON: line 1", TARGET("[{\"Id\": "));
	refused("--targets[0]: KEY=VALUE or a JSON object expected", TARGET("[7]"));
	refused("KEY=VALUE expected", TARGET("10.0.0.1"));
	refused("is not UTF-8", TARGET("Id=\xff"));
	refused("--page-size: '' is not a whole number",
		WORDS("describe-load-balancers", "--page-size", ""));
	refused("--names[1]: a string expected",
		WORDS("describe-load-balancers", "--names", "[\"a\", 1]"));
	refused("true or false expected", WORDS("modify-target-group", "--target-group-arn", "t",
						"--health-check-enabled=maybe"));
	refused("Enabled: true or false expected",
		WORDS("modify-listener", "--listener-arn", "l", "--default-actions",
		      "ForwardConfig={TargetGroupStickinessConfig={Enabled=1}}"));
	refused("TargetGroups: a list expected",
		WORDS("modify-listener", "--listener-arn", "l", "--default-actions",
		      "ForwardConfig={TargetGroups=x}"));
}

static void reads_values_out_of_files(void **state)
{
	const char *text = "[{\"Id\": \"1\"},\n{\"Id\": \"2\"}]\n";
	char path[] = "/tmp/test-ctl-args-XXXXXX", word[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	snprintf(word, sizeof(word), "file://%s", path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	gives("{\"TargetGroupArn\":\"t\",\"Targets\":[{\"Id\":\"1\"},{\"Id\":\"2\"},{\"Id\":\"3\"}]"
	      "}",
	      WORDS("register-targets", "--target-group-arn", "t", "--targets", word, "Id=3"));
	assert_int_equal(ftruncate(fd, CTL_FILE_MAX + 1), 0);
	refused("is larger than 1048576 bytes", TARGET(word));
	assert_int_equal(ftruncate(fd, CTL_FILE_MAX), 0);
	refused("is not a text file", TARGET(word)); /* holes are zeros */
	close(fd);
	unlink(path);
	refused("No such file or directory", TARGET(word));
	refused("Is a directory", TARGET("file:///tmp"));
}

static void keeps_its_own_flags_to_itself(void **state)
{
	struct ctl_error error;
	struct ctl_args args;
	long number;

	(void)state;
	assert_int_equal(
		ctl_args_parse(WORDS("top", "--interval", "3600", "--count", "0"), &args, &error),
		0);
	assert_int_equal(json_object_size(args.params), 0);
	assert_int_equal(ctl_args_local_number(&args, "interval", 1, 3600, 1, &number, &error), 0);
	assert_int_equal(number, 3600);
	assert_int_equal(ctl_args_local_number(&args, "interval", 1, 3599, 1, &number, &error),
			 -EINVAL);
	assert_int_equal(ctl_args_local_number(&args, "count", 1, 9, 1, &number, &error), -EINVAL);
	assert_string_equal(error.text, "--count must be from 1 to 9");
	assert_int_equal(ctl_args_local_number(&args, "max-items", 1, 9, 5, &number, &error), 0);
	assert_int_equal(number, 5);
	ctl_args_clear(&args);
}

/* --- shorthand -------------------------------------------------------------------------- */

static void reads_shorthand(void **state)
{
	(void)state;
	shorthand("{\"Key\":\"a\",\"Value\":\"b c\"}", "Key=a,Value=b c");
	shorthand("{\"Key\":\"a\",\"Value\":\"\"}", "Key=a,Value=");
	shorthand("{\"Key\":\"a=b\"}", "Key=a=b");
	shorthand("{\"HttpCode\":\"200,202,300-399\"}", "HttpCode=200,202,300-399");
	shorthand("{\"A\":\"x,y\",\"B\":\"z\"}", "A=x,y,B=z");
	shorthand("{\"A\":\"x,B=z\"}", "A=x\\,B=z");
	shorthand("{\"A\":\"x,B=z\",\"C\":\"1\"}", "A='x,B=z',C=1");
	shorthand("{\"A\":\"say \\\"hi\\\"\\\\\"}", "A=\"say \\\"hi\\\"\\\\\"");
	shorthand("{\"A\":[\"1\",\"2\",\"x y\"],\"B\":[]}", "A=[1,2,'x y'],B=[]");
	shorthand("{\"A\":{\"B\":{\"C\":[{\"D\":\"1\"}]}}}", "A={B={C=[{D=1}]}}");
	shorthand("{\"A\":\"\\\\\"}", "A=\\");
}

static void refuses_what_is_no_shorthand(void **state)
{
	char deep[2 * CTL_DEPTH_MAX + 16] = "A=";

	(void)state;
	no_shorthand("KEY=VALUE expected at the end", "");
	no_shorthand("KEY=VALUE expected before ',A=1'", ",A=1");
	no_shorthand("KEY=VALUE expected at the end", "A=1,");
	no_shorthand("KEY=VALUE expected before '=1'", "=1");
	no_shorthand("'A' is given twice", "A=1,A=2");
	no_shorthand("\" expected at the end", "A=\"x");
	no_shorthand("' expected at the end", "A='x\\'");
	no_shorthand(", or ] expected at the end", "A=[1");
	no_shorthand(", or } expected at the end", "A={B=1");
	no_shorthand(", expected before 'x'", "A='1'x");
	no_shorthand("KEY=VALUE expected before '}'", "A={}");
	no_shorthand("is not UTF-8", "A=\x80");
	no_shorthand("a key is not UTF-8", "\x80=1");
	/* brackets down to the limit, and one more */
	memset(deep + 2, '[', CTL_DEPTH_MAX);
	memset(deep + 2 + CTL_DEPTH_MAX, ']', CTL_DEPTH_MAX);
	shorthand("{\"A\":[[[[[[[[]]]]]]]]}", deep);
	memset(deep + 2, '[', CTL_DEPTH_MAX + 1);
	no_shorthand("more than 8 brackets deep", deep);
}

/* --- the table ---------------------------------------------------------------------------- */

static void names_operations_and_parameters(void **state)
{
	char camel[CTL_NAME_MAX];

	(void)state;
	ctl_commands_camel("describe-target-health", camel);
	assert_string_equal(camel, "DescribeTargetHealth");
	ctl_commands_camel("vpc-id", camel);
	assert_string_equal(camel, "VpcId");
	ctl_commands_camel("set-ip-address-type", camel);
	assert_string_equal(camel, "SetIpAddressType");
}

static void the_table_is_whole(void **state)
{
	const struct ctl_command *command;
	const struct ctl_flag *flag;
	char *help = NULL;
	size_t len, n = 0;

	(void)state;
	for (command = ctl_commands(); command->name != NULL; command++, n++) {
		FILE *out = open_memstream(&help, &len);

		ctl_help_command(out, command);
		fclose(out);
		assert_ptr_equal(ctl_commands_find(command->name), command);
		assert_non_null(strstr(help, command->summary));
		assert_true(strncmp(command->example, "sluicectl ", 10) == 0);
		assert_int_equal(command->example[strlen(command->example) - 1], '\n');
		for (flag = command->flags; flag->field.name != NULL; flag++) {
			assert_non_null(strstr(help, flag->field.name));
			assert_true(
				(flag->field.kind == CTL_SHAPE || flag->field.kind == CTL_SHAPES) ==
				(flag->field.fields != NULL));
			for (const char *c = flag->field.name; *c != '\0'; c++)
				assert_true(*c == '-' || islower(*c) || isdigit(*c));
		}
		free(help);
	}
	assert_true(n >= 35);
}

/* Each example of the help is a line that can be read. */
static void the_examples_are_right(void **state)
{
	const struct ctl_command *command;
	struct ctl_error error = {.text = ""};
	char text[1024], *words[32], *word, *rest;
	struct ctl_args args;
	size_t n;

	(void)state;
	for (command = ctl_commands(); command->name != NULL; command++) {
		if (strpbrk(command->example, "'|\\") != NULL || strstr(command->example, "file:"))
			continue; /* for a shell, or for files */
		snprintf(text, sizeof(text), "%s", command->example);
		text[strcspn(text, "\n")] = '\0';
		for (n = 0, rest = text; (word = strsep(&rest, " ")) != NULL;)
			words[n++] = word;
		if (ctl_args_parse(words + 1, n - 1, &args, &error) != 0)
			fail_msg("%s: %s", command->name, error.text);
		assert_ptr_equal(args.command, command);
		ctl_args_clear(&args);
	}
}

/* --- completion ---------------------------------------------------------------------------- */

static void some_names(void *context, enum ctl_ref ref, const char *prefix, FILE *out)
{
	(void)context;
	fprintf(out, "%s%s\n", prefix, ref == CTL_REF_TARGET_GROUP ? "tasks" : "web");
}

static void offers(const char *expected, char *const *words, size_t n)
{
	char *got = NULL;
	size_t len;
	FILE *out = open_memstream(&got, &len);

	ctl_complete(words, n, some_names, NULL, out);
	fclose(out);
	assert_string_equal(got, expected);
	free(got);
}

static void completes_what_may_stand_there(void **state)
{
	(void)state;
	offers("register-targets\n", WORDS("regi"));
	offers("wait\n", WORDS("wai"));
	offers("target-in-service\ntarget-deregistered\n", WORDS("wait", "target"));
	offers("--target-group-arn\n--targets\n", WORDS("register-targets", "--ta"));
	offers("--targets\n", WORDS("register-targets", "--target-group-arn", "tasks", "--ta"));
	offers("tasks\n", WORDS("register-targets", "--target-group-arn", ""));
	offers("Id=1,Port=\n", WORDS("register-targets", "--targets", "Id=1,P"));
	offers("Port=\n", WORDS("register-targets", "--targets", "Id=1", "P"));
	offers("Type=forward,TargetGroupArn=tasks\n",
	       WORDS("create-listener", "--default-actions", "Type=forward,TargetGroupArn="));
	offers("TCP\nTCP_UDP\n", WORDS("create-listener", "--protocol", "TC"));
	offers("ipv4\nipv6\n", WORDS("create-target-group", "--ip-address-type", ""));
	offers("json\n", WORDS("--output", "j"));
	offers("delete-listener\n", WORDS("--socket", "/s", "delete-lis"));
	offers("true\n", WORDS("modify-target-group", "--health-check-enabled", "t"));
	offers("", WORDS("create-listener", "--port", ""));
	offers("", WORDS("no-such-command", "x", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_command_as_the_aws_cli_does),
		cmocka_unit_test(reads_actions_in_shorthand_and_in_json),
		cmocka_unit_test(reads_truths_in_each_way),
		cmocka_unit_test(takes_global_flags_anywhere),
		cmocka_unit_test(help_forgives_what_is_missing),
		cmocka_unit_test(says_what_is_wrong_with_a_line),
		cmocka_unit_test(says_what_is_wrong_with_a_value),
		cmocka_unit_test(reads_values_out_of_files),
		cmocka_unit_test(keeps_its_own_flags_to_itself),
		cmocka_unit_test(reads_shorthand),
		cmocka_unit_test(refuses_what_is_no_shorthand),
		cmocka_unit_test(names_operations_and_parameters),
		cmocka_unit_test(the_table_is_whole),
		cmocka_unit_test(the_examples_are_right),
		cmocka_unit_test(completes_what_may_stand_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
