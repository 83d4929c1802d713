/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/ctl_help.h"

#include <stdlib.h>
#include <string.h>

#define FLAG_COLUMN 42 /* where the text on a flag begins */

/* "NUMBER (1-65535)", "TCP|UDP", "Id=,Port= ..." */
static void put_type(FILE *out, const struct ctl_field *field)
{
	const struct ctl_field *member;

	switch (field->kind) {
	case CTL_SWITCH:
		return;
	case CTL_TRUTH:
		fputs(" [true|false]", out);
		return;
	case CTL_NUMBER:
		fputs(" NUMBER", out);
		break;
	case CTL_TEXT:
		if (field->values != NULL && strchr(field->values, ' ') == NULL) {
			fprintf(out, " %s", field->values);
			return;
		}
		fputs(field->ref != CTL_REF_NONE ? " NAME" : " TEXT", out);
		break;
	case CTL_TEXTS:
		if (field->values != NULL && strchr(field->values, '|') != NULL) {
			fputs(" NAME ...", out);
			return;
		}
		fputs(field->ref != CTL_REF_NONE ? " NAME ..." : " TEXT ...", out);
		break;
	case CTL_SHAPE:
	case CTL_SHAPES:
		fputc(' ', out);
		for (member = field->fields; member->name != NULL; member++)
			fprintf(out, "%s%s=", member == field->fields ? "" : ",", member->name);
		fputs(field->kind == CTL_SHAPES ? " ..." : "", out);
		break;
	}
	if (field->values != NULL)
		fprintf(out, " (%s)", field->values);
}

static void put_flag(FILE *out, const struct ctl_flag *flag)
{
	char *head = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&head, &len);

	if (memory == NULL)
		return;
	fprintf(memory, "  --%s", flag->field.name);
	put_type(memory, &flag->field);
	fclose(memory);
	fprintf(out, "%-*s", FLAG_COLUMN, head);
	if (len >= FLAG_COLUMN)
		fprintf(out, "\n%*s", FLAG_COLUMN, "");
	free(head);
	fprintf(out, " %s%s%s\n", flag->required ? "required" : "",
		flag->required && *flag->help != '\0' ? "; " : "", flag->help);
	if (flag->field.kind == CTL_TEXTS && flag->field.values != NULL &&
	    strchr(flag->field.values, '|') != NULL)
		fprintf(out, "%*s %s\n", FLAG_COLUMN, "", flag->field.values);
}

static void put_indented(FILE *out, const char *text)
{
	size_t len;

	for (; *text != '\0'; text += len + 1) {
		len = strcspn(text, "\n");
		fprintf(out, "  %.*s\n", (int)len, text);
	}
}

static void put_global_flags(FILE *out)
{
	const struct ctl_flag *flag;

	fputs("\nFlags of every command:\n", out);
	for (flag = ctl_commands_global_flags(); flag->field.name != NULL; flag++)
		put_flag(out, flag);
}

void ctl_help_overview(FILE *out)
{
	const struct ctl_command *command;
	const char *section = "";

	fputs("usage: sluicectl [--socket PATH] [--output table|json|text] COMMAND [FLAGS]\n\n"
	      "Sets up a running sluiced and shows what it does. Commands and flags are those of\n"
	      "`aws elbv2`; where an ARN is wanted, a name will do (LOAD-BALANCER:PORT for a\n"
	      "listener). 'sluicectl COMMAND --help' says more about one.\n",
	      out);
	for (command = ctl_commands(); command->name != NULL; command++) {
		if (strcmp(section, command->section) != 0) {
			section = command->section;
			fprintf(out, "\n%s:\n", section);
		}
		fprintf(out, "  %-33s %s\n", command->name, command->summary);
	}
	put_global_flags(out);
	fputs("\nExit codes: 0 done; 1 sluiced not reachable, or gone; 2 the command line is "
	      "wrong;\n"
	      "254 sluiced answered with an error; 255 'wait' waited for too long.\n\n"
	      "A first session:\n"
	      "  sluicectl create-load-balancer --name web --subnets SUBNET\n"
	      "  sluicectl create-target-group --name tasks --protocol TCP --port 8080\n"
	      "  sluicectl register-targets --target-group-arn tasks --targets Id=10.0.1.5\n"
	      "  sluicectl create-listener --load-balancer-arn web --protocol TCP --port 80 \\\n"
	      "      --default-actions Type=forward,TargetGroupArn=tasks\n"
	      "  sluicectl describe-target-health --target-group-arn tasks\n",
	      out);
}

void ctl_help_command(FILE *out, const struct ctl_command *command)
{
	const struct ctl_flag *flag;
	bool shapes = false;

	fprintf(out, "usage: sluicectl %s%s%s%s\n\n%s\n", command->name,
		command->operands != NULL ? " " : "",
		command->operands != NULL ? command->operands : "",
		command->flags->field.name != NULL ? " [FLAGS]" : "", command->summary);
	if (command->flags->field.name != NULL)
		fputs("\nFlags; in brackets what holds without:\n", out);
	for (flag = command->flags; flag->field.name != NULL; flag++) {
		put_flag(out, flag);
		shapes = shapes || flag->field.fields != NULL;
	}
	if (shapes)
		fputs("\nKEY=VALUE,KEY=VALUE may also be JSON, or file://PATH of JSON.\n", out);
	put_global_flags(out);
	fputs("\nFor example:\n", out);
	put_indented(out, command->example);
}
