/* SPDX-License-Identifier: BSD-3-Clause */
/* sluicectl against a server that answers what a script says: right, wrong, half or not at all. */
#include "control/ctl_client.h"
#include "control/ctl_operation.h"
#include "control/ctl_resolve.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define LARGE (9 * 1024 * 1024) /* bytes of a reply, many reads of the client's */
#define LB(name) "arn:aws:elasticloadbalancing:r:1:loadbalancer/net/" name "/01"
#define REPLY(n, result) "{\"jsonrpc\":\"2.0\",\"id\":" #n ",\"result\":" result "}\n"
#define ERROR(n, code)                                                                          \
	"{\"jsonrpc\":\"2.0\",\"id\":" #n ",\"error\":{\"code\":-32000,\"message\":\"Not so\"," \
	"\"data\":{\"Type\":\"Sender\",\"Code\":\"" code "\"}}}\n"

struct server {
	char dir[64], path[80];
	int fd;
	const char *const *replies; /* one behind each request; then it hangs up */
	json_t *requests;	    /* what was asked: [{"method", "params"}] */
	pthread_t thread;
	struct ctl_client *client;
	struct ctl_error error;
};

static void *serve(void *context)
{
	struct server *server = context;
	int fd = accept(server->fd, NULL, NULL);
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t size = 0, len;
	ssize_t n;

	for (; *server->replies != NULL; server->replies++) {
		if (getline(&line, &size, in) <= 0)
			break;
		json_array_append_new(server->requests, json_loads(line, 0, NULL));
		len = strlen(*server->replies);
		for (const char *at = *server->replies; len > 0; at += n, len -= (size_t)n) {
			n = send(fd, at, len, MSG_NOSIGNAL);
			if (n < 0)
				break;
		}
	}
	free(line);
	fclose(in);
	return NULL;
}

static void start(struct server *server, const char *const *replies)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(server, 0, sizeof(*server));
	strcpy(server->dir, "/tmp/test-ctl-client-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	snprintf(server->path, sizeof(server->path), "%s/s", server->dir);
	strcpy(address.sun_path, server->path);
	server->replies = replies;
	server->requests = json_array();
	server->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->fd, 1), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
	assert_int_equal(ctl_client_open(server->path, &server->client, &server->error), 0);
}

static void stop(struct server *server)
{
	ctl_client_close(server->client);
	pthread_join(server->thread, NULL);
	close(server->fd);
	unlink(server->path);
	rmdir(server->dir);
	json_decref(server->requests);
}
#define REPLIES(...)              \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

/* What request @i was: "Method {params}" */
static void asked(const struct server *server, size_t i, const char *expected)
{
	const json_t *request = json_array_get(server->requests, i);
	char *params =
		json_dumps(json_object_get(request, "params"), JSON_COMPACT | JSON_SORT_KEYS);
	char got[1024];

	assert_non_null(params);
	assert_string_equal(json_string_value(json_object_get(request, "jsonrpc")), "2.0");
	snprintf(got, sizeof(got), "%s %s", json_string_value(json_object_get(request, "method")),
		 params);
	free(params);
	assert_string_equal(got, expected);
}

static int call(struct server *server, json_t **ret_result)
{
	json_t *params = json_pack("{s:i}", "A", 1);
	int r;

	r = ctl_client_call(server->client, "DoIt", params, ret_result, &server->error);
	json_decref(params);
	return r;
}

/* --- calls ---------------------------------------------------------------------------- */

static void calls_and_is_answered(void **state)
{
	struct server server;
	json_t *result;

	(void)state;
	start(&server, REPLIES("\n" REPLY(1, "{\"B\":2}"), REPLY(2, "[]")));
	assert_int_equal(call(&server, &result), -EIO); /* an empty line is no reply */
	stop(&server);
	start(&server, REPLIES(REPLY(1, "{\"B\":2}"), REPLY(2, "[]")));
	assert_int_equal(call(&server, &result), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "B")), 2);
	json_decref(result);
	assert_int_equal(call(&server, &result), 0);
	assert_true(json_is_array(result));
	json_decref(result);
	asked(&server, 1, "DoIt {\"A\":1}");
	stop(&server);
}

static void words_errors_as_the_aws_cli(void **state)
{
	struct server server;
	json_t *result;

	(void)state;
	start(&server, REPLIES(ERROR(1, "TargetGroupNotFound"),
			       "{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"Hm\"}}\n"));
	assert_int_equal(call(&server, &result), -EREMOTEIO);
	assert_int_equal(server.error.exit_code, 254);
	assert_string_equal(server.error.api_code, "TargetGroupNotFound");
	assert_string_equal(server.error.text,
			    "An error occurred (TargetGroupNotFound) when calling the DoIt "
			    "operation: Not so");
	assert_int_equal(call(&server, &result), -EREMOTEIO);
	assert_string_equal(server.error.text,
			    "An error occurred (-32700) when calling the DoIt operation: Hm");
	stop(&server);
}

static void keeps_events_that_come_between(void **state)
{
	struct server server;
	json_t *result, *event;

	(void)state;
	start(&server, REPLIES("{\"method\":\"Event\",\"params\":{\"Event\":\"One\"}}\n" REPLY(
			       1, "{}") "{\"method\":\"Event\",\"params\":{\"Event\":\"Two\"}}\n"));
	assert_int_equal(call(&server, &result), 0);
	json_decref(result);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ctl_client_event(server.client, &event, &server.error), 0);
		assert_string_equal(json_string_value(json_object_get(event, "Event")),
				    i == 0 ? "One" : "Two");
		json_decref(event);
	}
	assert_int_equal(ctl_client_event(server.client, &event, &server.error), -EIO);
	assert_string_equal(server.error.text, "sluiced closed the connection");
	stop(&server);
}

static void refuses_nonsense(void **state)
{
	static const char *const nonsense[] = {
		"hello\n",
		"{\"id\":1,\"result\":{}\n",
		"{\"id\":2,\"result\":{}}\n",
		"{\"id\":\"1\",\"result\":{}}\n",
		"{\"id\":1}\n",
		"{\"id\":1,\"error\":7}\n",
		"{\"id\":1,\"error\":{\"code\":1}}\n",
		"{\"id\":1,\"error\":{\"code\":1,\"message\":7}}\n",
		"{\"method\":\"Event\"}\n",
		"{\"method\":\"Event\",\"params\":[]}\n",
		"[]\n",
		"7\n",
		"{\"id\":1,\"result\":\"\xff\"}\n",
		"{\"id\":1,\"result\":\"\\u0000\"}\n",
	};
	struct server server;
	json_t *result;

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		start(&server, REPLIES(nonsense[i]));
		assert_int_equal(call(&server, &result), -EIO);
		assert_int_equal(server.error.exit_code, CTL_EXIT_IO);
		assert_non_null(strstr(server.error.text, "no JSON-RPC"));
		stop(&server);
	}
}

static void notices_a_server_that_goes(void **state)
{
	static const char *const halves[] = {"", "{\"id\":1,\"result\":"};
	struct server server;
	json_t *result;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		start(&server, REPLIES(halves[i]));
		assert_int_equal(call(&server, &result), -EIO);
		assert_string_equal(server.error.text,
				    "sluiced closed the connection before it answered DoIt: it may "
				    "have been done or not");
		stop(&server);
	}
	assert_int_equal(ctl_client_open(server.path, &server.client, &server.error), -EIO);
	assert_non_null(strstr(server.error.text, "is sluiced running"));
}

static void reads_a_large_reply(void **state)
{
	char *large = malloc(LARGE + 64);
	struct server server;
	json_t *result;
	size_t len;

	(void)state;
	len = (size_t)sprintf(large, "{\"id\":1,\"result\":\"");
	memset(large + len, 'x', LARGE);
	strcpy(large + len + LARGE, "\"}\n");
	start(&server, REPLIES(large));
	assert_int_equal(call(&server, &result), 0);
	assert_int_equal(json_string_length(result), LARGE);
	json_decref(result);
	stop(&server);
	free(large);
}

static void sends_no_request_that_is_too_large(void **state)
{
	const char *around = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"DoIt\","
			     "\"params\":{\"A\":\"\"}}";
	const size_t most = CTL_REQUEST_MAX - strlen(around);
	char *text = malloc(most + 2);
	struct server server;
	json_t *params, *result;

	(void)state;
	start(&server, REPLIES(REPLY(2, "{}")));
	memset(text, 'x', most + 1);
	text[most + 1] = '\0';
	params = json_pack("{s:s}", "A", text);
	assert_int_equal(ctl_client_call(server.client, "DoIt", params, &result, &server.error),
			 -EINVAL);
	assert_non_null(strstr(server.error.text, "1048577 bytes"));
	json_decref(params);
	text[most] = '\0';
	params = json_pack("{s:s}", "A", text);
	assert_int_equal(ctl_client_call(server.client, "DoIt", params, &result, &server.error), 0);
	json_decref(params);
	json_decref(result);
	stop(&server);
	free(text);
}

static void refuses_a_path_that_is_too_long(void **state)
{
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	struct ctl_client *client;
	struct ctl_error error;

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(ctl_client_open(path, &client, &error), -EINVAL);
	path[sizeof(path) - 2] = '\0';
	assert_int_equal(ctl_client_open(path, &client, &error), -EIO);
	ctl_client_close(NULL);
}

/* --- names -------------------------------------------------------------------------------- */

/* Resolve the parameters of a command line; the error's exit code. */
static int resolve(struct server *server, char *const *words, size_t n, struct ctl_args *ret_args)
{
	assert_int_equal(ctl_args_parse(words, n, ret_args, &server->error), 0);
	return ctl_resolve(server->client, ret_args->command, ret_args->params, &server->error);
}
#define WORDS(...) (char *[]){__VA_ARGS__}, sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)
#define FOUND_LB(n, name) REPLY(n, "{\"LoadBalancers\":[{\"LoadBalancerArn\":\"" LB(name) "\"}]}")
#define FOUND_TG(n, arn) REPLY(n, "{\"TargetGroups\":[{\"TargetGroupArn\":\"" arn "\"}]}")

static void finds_arns_wherever_names_stand(void **state)
{
	struct server server;
	struct ctl_args args;
	char *text;

	(void)state;
	start(&server, REPLIES(FOUND_LB(1, "web"), FOUND_TG(2, "arn:a"), FOUND_TG(3, "arn:b")));
	assert_int_equal(resolve(&server,
				 WORDS("create-listener", "--load-balancer-arn", "web",
				       "--protocol", "TCP", "--port", "80", "--default-actions",
				       "TargetGroupArn=a,ForwardConfig={TargetGroups=["
				       "{TargetGroupArn=b},{TargetGroupArn=arn:x}]}"),
				 &args),
			 0);
	text = json_dumps(args.params, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(text,
			    "{\"DefaultActions\":[{\"ForwardConfig\":{\"TargetGroups\":"
			    "[{\"TargetGroupArn\":\"arn:b\"},{\"TargetGroupArn\":\"arn:x\"}]},"
			    "\"TargetGroupArn\":\"arn:a\"}],\"LoadBalancerArn\":\"" LB(
				    "web") "\",\"Port\":80,\"Protocol\":\"TCP\"}");
	free(text);
	asked(&server, 0, "DescribeLoadBalancers {\"Names\":[\"web\"]}");
	asked(&server, 1, "DescribeTargetGroups {\"Names\":[\"a\"]}");
	ctl_args_clear(&args);
	stop(&server);
}

static void finds_a_listener_by_its_port(void **state)
{
	struct server server;
	struct ctl_args args;

	(void)state;
	start(&server,
	      REPLIES(FOUND_LB(1, "web"),
		      REPLY(2, "{\"Listeners\":[{\"Port\":81,\"ListenerArn\":\"arn:81\"}],"
			       "\"NextMarker\":\"m\"}"),
		      REPLY(3, "{\"Listeners\":[{\"Port\":80,\"ListenerArn\":\"arn:80\"}]}"),
		      FOUND_LB(4, "web"), REPLY(5, "{\"Listeners\":[]}")));
	assert_int_equal(
		resolve(&server, WORDS("delete-listener", "--listener-arn", "web:80"), &args), 0);
	assert_string_equal(json_string_value(json_object_get(args.params, "ListenerArn")),
			    "arn:80");
	asked(&server, 2,
	      "DescribeListeners {\"LoadBalancerArn\":\"" LB("web") "\",\"Marker\":\"m\"}");
	ctl_args_clear(&args);
	assert_int_equal(
		resolve(&server, WORDS("delete-listener", "--listener-arn", "web:82"), &args),
		-EREMOTEIO);
	assert_string_equal(server.error.api_code, "ListenerNotFound");
	ctl_args_clear(&args);
	stop(&server);
}

static void asks_for_the_arn_when_a_name_is_not_enough(void **state)
{
	char *odd[] = {"web", "web:", ":", "web:0", "web:65536", "web:8x", "web: 80 "};
	struct server server;
	struct ctl_args args;

	(void)state;
	start(&server,
	      REPLIES(FOUND_LB(1, "x"), FOUND_TG(2, "arn:x"), ERROR(3, "LoadBalancerNotFound"),
		      ERROR(4, "TargetGroupNotFound"), ERROR(5, "LoadBalancerNotFound"),
		      FOUND_TG(6, "arn:t"), ERROR(7, "InternalFailure")));
	assert_int_equal(resolve(&server, WORDS("describe-tags", "--resource-arns", "x"), &args),
			 -EINVAL);
	assert_non_null(strstr(server.error.text, "is a load balancer and a target group"));
	ctl_args_clear(&args);
	assert_int_equal(resolve(&server, WORDS("describe-tags", "--resource-arns", "x"), &args),
			 -EINVAL);
	assert_non_null(strstr(server.error.text, "is neither"));
	ctl_args_clear(&args);
	assert_int_equal(resolve(&server, WORDS("describe-tags", "--resource-arns", "t"), &args),
			 0);
	ctl_args_clear(&args);
	assert_int_equal(resolve(&server, WORDS("describe-tags", "--resource-arns", "x"), &args),
			 -EREMOTEIO);
	ctl_args_clear(&args);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(
			resolve(&server, WORDS("delete-listener", "--listener-arn", odd[i]), &args),
			-EINVAL);
		assert_non_null(strstr(server.error.text, "LOAD-BALANCER:PORT"));
		ctl_args_clear(&args);
	}
	stop(&server);
}

/* --- operations ----------------------------------------------------------------------------- */

typedef int operation(struct ctl_client *client, const struct ctl_args *args, FILE *out,
		      struct ctl_error *error);

static int operate(struct server *server, operation *run, char **ret_text, char *const *words,
		   size_t n)
{
	struct ctl_args args;
	size_t len;
	FILE *out = open_memstream(ret_text, &len);
	int r;

	assert_int_equal(ctl_args_parse(words, n, &args, &server->error), 0);
	r = run(server->client, &args, out, &server->error);
	fclose(out);
	ctl_args_clear(&args);
	return r;
}

static void turns_pages_until_it_has_enough(void **state)
{
	struct server server;
	char *text;

	(void)state;
	start(&server, REPLIES(REPLY(1, "{\"Limits\":[{\"Name\":\"a\"},{\"Name\":\"b\"}],"
					"\"NextMarker\":\"m1\"}"),
			       REPLY(2, "{\"Limits\":[{\"Name\":\"c\"}],\"NextMarker\":\"m2\"}"),
			       REPLY(3, "{\"Limits\":[],\"NextMarker\":\"m\"}"),
			       REPLY(4, "{\"Limits\":[],\"NextMarker\":\"m\"}")));
	assert_int_equal(operate(&server, ctl_operation_run, &text,
				 WORDS("describe-account-limits", "--page-size", "2", "--max-items",
				       "3", "--output", "json", "--starting-token", "m0")),
			 0);
	assert_non_null(strstr(text, "\"NextToken\": \"m2\""));
	asked(&server, 0, "DescribeAccountLimits {\"Marker\":\"m0\",\"PageSize\":2}");
	asked(&server, 1, "DescribeAccountLimits {\"Marker\":\"m1\",\"PageSize\":1}");
	free(text);
	/* a server that goes round in circles */
	assert_int_equal(
		operate(&server, ctl_operation_run, &text, WORDS("describe-account-limits")), -EIO);
	asked(&server, 2, "DescribeAccountLimits {\"PageSize\":400}");
	assert_non_null(strstr(server.error.text, "twice"));
	free(text);
	stop(&server);
}

static void watches_as_many_events_as_asked_for(void **state)
{
	struct server server;
	char *text;

	(void)state;
	start(&server,
	      REPLIES(REPLY(1, "{}") "{\"method\":\"Event\",\"params\":{\"Event\":\"E\","
				     "\"Time\":\"T\",\"Target\":{\"Id\":\"::1\",\"Port\":80},"
				     "\"Text\":\"a\\nb\"}}\n"));
	assert_int_equal(operate(&server, ctl_watch_run, &text,
				 WORDS("watch", "--count", "1", "--events", "E")),
			 0);
	asked(&server, 0, "Watch {\"Events\":[\"E\"]}");
	assert_string_equal(text, "T  E  Target=[::1]:80  Text=a?b\n");
	free(text);
	stop(&server);
}

static int wait_for(struct server *server, char *const *words, size_t n)
{
	struct ctl_args args;
	int r;

	assert_int_equal(ctl_args_parse(words, n, &args, &server->error), 0);
	r = ctl_wait_run(server->client, &args, &server->error);
	ctl_args_clear(&args);
	return r;
}
#define HEALTH(n, state, reason)                                                              \
	REPLY(n, "{\"TargetHealthDescriptions\":[{\"TargetHealth\":{\"State\":\"healthy\"}}," \
		 "{\"TargetHealth\":{\"State\":\"" state "\",\"Reason\":\"" reason "\"}}]}")

static void waits_for_what_it_is_told_to(void **state)
{
	struct server server;

	(void)state;
	start(&server,
	      REPLIES(REPLY(1, "{\"TargetHealthDescriptions\":[]}"), HEALTH(2, "initial", ""),
		      HEALTH(3, "healthy", ""), HEALTH(4, "unused", "Target.NotInUse"),
		      REPLY(5, "{\"TargetHealthDescriptions\":[]}"),
		      ERROR(6, "LoadBalancerNotFound"), FOUND_LB(7, "x"), FOUND_LB(8, "x"),
		      ERROR(9, "LoadBalancerNotFound"), ERROR(10, "InternalFailure")));
	assert_int_equal(wait_for(&server, WORDS("wait", "target-in-service", "--target-group-arn",
						 "arn:t")),
			 0);
	assert_int_equal(wait_for(&server, WORDS("wait", "target-deregistered",
						 "--target-group-arn", "arn:t")),
			 0);
	assert_int_equal(wait_for(&server, WORDS("wait", "load-balancer-exists", "--names", "x")),
			 0);
	assert_int_equal(wait_for(&server, WORDS("wait", "load-balancers-deleted", "--names", "x")),
			 0);
	assert_int_equal(wait_for(&server, WORDS("wait", "load-balancer-exists", "--names", "x")),
			 -EREMOTEIO);
	stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_and_is_answered),
		cmocka_unit_test(words_errors_as_the_aws_cli),
		cmocka_unit_test(keeps_events_that_come_between),
		cmocka_unit_test(refuses_nonsense),
		cmocka_unit_test(notices_a_server_that_goes),
		cmocka_unit_test(reads_a_large_reply),
		cmocka_unit_test(sends_no_request_that_is_too_large),
		cmocka_unit_test(refuses_a_path_that_is_too_long),
		cmocka_unit_test(finds_arns_wherever_names_stand),
		cmocka_unit_test(finds_a_listener_by_its_port),
		cmocka_unit_test(asks_for_the_arn_when_a_name_is_not_enough),
		cmocka_unit_test(turns_pages_until_it_has_enough),
		cmocka_unit_test(watches_as_many_events_as_asked_for),
		cmocka_unit_test(waits_for_what_it_is_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
