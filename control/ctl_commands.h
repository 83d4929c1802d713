/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands of sluicectl: the one table that parsing, help, completion and name
 * resolution read. Names are those of `aws elbv2`; the operation's and the
 * parameters' names follow from them (ctl_commands_camel()).
 */
#ifndef SLUICE_CTL_COMMANDS_H
#define SLUICE_CTL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#define CTL_NAME_MAX 64 /* bytes of a command's, flag's or parameter's name, with its NUL */

enum ctl_kind {
	CTL_TEXT,
	CTL_NUMBER,
	CTL_TRUTH,  /* --flag, --no-flag, --flag true|false */
	CTL_SWITCH, /* --flag alone: true */
	CTL_SHAPE,  /* KEY=VALUE,... or JSON */
	CTL_TEXTS,  /* several words, or a JSON list */
	CTL_SHAPES,
};

enum ctl_ref { /* a name may stand where the API wants an ARN */
	       CTL_REF_NONE,
	       CTL_REF_LOAD_BALANCER, /* its name */
	       CTL_REF_TARGET_GROUP,  /* its name */
	       CTL_REF_LISTENER,      /* LOAD-BALANCER:PORT */
	       CTL_REF_ANY,	      /* any of these */
};

struct ctl_field { /* a member of a shape; a list of them ends with a NULL name */
	const char *name;
	enum ctl_kind kind;
	enum ctl_ref ref;
	const char *values; /* "TCP|UDP" completes; else it says type and range; or NULL */
	const struct ctl_field *fields; /* of a shape */
};

struct ctl_flag {		/* a list of them ends with a NULL name */
	struct ctl_field field; /* name as typed, without "--" */
	const char *help;
	bool required;
	bool local; /* for sluicectl itself, not a parameter of the operation */
};

struct ctl_command {
	const char *name;    /* "register-targets", "wait target-in-service" */
	const char *section; /* heading in the overview */
	const char *summary;
	const char *operands; /* "METHOD [JSON]"; NULL for none */
	unsigned int operands_min, operands_max;
	const struct ctl_flag *flags;
	const char *example; /* whole lines */
	const char *list;    /* the list in the reply that is shown as a table; NULL: as a record */
	const char *include; /* what the table shows beside what the API tells unasked; NULL */
	unsigned int page_max; /* entries in a reply with a NextMarker; 0: no pages */
};

/** The table, in the order of the overview; ends with a NULL name. */
const struct ctl_command *ctl_commands(void);

/** The command of that name, or NULL. */
const struct ctl_command *ctl_commands_find(const char *name);

/** The flag of the command, or NULL. @name without "--"; its length is given. */
const struct ctl_flag *ctl_commands_flag(const struct ctl_command *command, const char *name,
					 size_t len);

/** Flags that every command has: --socket, --output, --help, --version. */
const struct ctl_flag *ctl_commands_global_flags(void);

/** "register-targets" to "RegisterTargets". */
void ctl_commands_camel(const char *name, char ret_camel[CTL_NAME_MAX]);

#endif
