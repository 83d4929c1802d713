/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/credentials.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int fail(char error[CREDENTIALS_ERROR_MAX], int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char error[CREDENTIALS_ERROR_MAX], int r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CREDENTIALS_ERROR_MAX, format, args);
	va_end(args);
	return r;
}

struct line {
	const char *text; /* NULL is the same as an empty one */
	size_t len;
};

static struct line line_of(const char *text)
{
	return (struct line){text, text != NULL ? strlen(text) : 0};
}

/* They go into headers: no blanks, no control characters, nothing beyond ASCII. */
static int take(const char *what, struct line line, char *to, size_t size,
		char error[CREDENTIALS_ERROR_MAX])
{
	if (line.len >= size)
		return fail(error, -EBADMSG, "the %s must not be longer than %zu characters", what,
			    size - 1);
	for (size_t i = 0; i < line.len; i++) {
		if (line.text[i] <= ' ' || line.text[i] >= 0x7f)
			return fail(error, -EBADMSG, "the %s holds blanks or control characters",
				    what);
		to[i] = line.text[i];
	}
	to[line.len] = '\0';
	return 0;
}

static int set(struct line access_key, struct line secret_key, struct line token,
	       struct credentials *ret_credentials, char error[CREDENTIALS_ERROR_MAX])
{
	struct credentials next = {.access_key = ""};
	int r;

	if (access_key.len == 0)
		return fail(error, -EBADMSG, "the access key is missing");
	if (secret_key.len == 0)
		return fail(error, -EBADMSG, "the secret key is missing");
	r = take("access key", access_key, next.access_key, sizeof(next.access_key), error);
	if (r == 0)
		r = take("secret key", secret_key, next.secret_key, sizeof(next.secret_key), error);
	if (r == 0)
		r = take("session token", token, next.token, sizeof(next.token), error);
	if (r == 0)
		*ret_credentials = next;
	return r;
}

int credentials_set(const char *access_key, const char *secret_key, const char *token,
		    struct credentials *ret_credentials, char error[CREDENTIALS_ERROR_MAX])
{
	return set(line_of(access_key), line_of(secret_key), line_of(token), ret_credentials,
		   error);
}

/* --- shared credentials files ----------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct line trim(struct line line)
{
	while (line.len > 0 && is_blank(line.text[0])) {
		line.text++;
		line.len--;
	}
	while (line.len > 0 && is_blank(line.text[line.len - 1]))
		line.len--;
	return line;
}

static bool is(struct line line, const char *text)
{
	return line.len == strlen(text) && memcmp(line.text, text, line.len) == 0;
}

enum setting { ACCESS_KEY, SECRET_KEY, TOKEN, SETTINGS };

/* "key = value" */
static void read_setting(struct line line, struct line found[SETTINGS])
{
	static const char *const keys[SETTINGS] = {"aws_access_key_id", "aws_secret_access_key",
						   "aws_session_token"};
	const char *equals = memchr(line.text, '=', line.len);
	struct line key, value;

	if (equals == NULL)
		return;
	key = trim((struct line){line.text, (size_t)(equals - line.text)});
	value = trim((struct line){equals + 1, line.len - (size_t)(equals - line.text) - 1});
	for (size_t i = 0; i < SETTINGS; i++) {
		if (is(key, keys[i]))
			found[i] = value;
	}
}

int credentials_parse_file(const char *text, size_t len, const char *profile,
			   struct credentials *ret_credentials, char error[CREDENTIALS_ERROR_MAX])
{
	struct line found[SETTINGS] = {{NULL, 0}};
	const char *end = text + len;
	bool inside = false, seen = false;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t whole = newline != NULL ? (size_t)(newline - text) : (size_t)(end - text);
		struct line line = trim((struct line){text, whole});

		text += whole + (newline != NULL);
		if (line.len == 0 || line.text[0] == '#' || line.text[0] == ';')
			continue;
		if (line.text[0] == '[') {
			struct line name = {line.text + 1, line.len - 1};

			if (name.len > 0 && name.text[name.len - 1] == ']')
				name.len--;
			inside = is(trim(name), profile);
			seen |= inside;
		} else if (inside) {
			read_setting(line, found);
		}
	}
	if (!seen)
		return fail(error, -ENOENT, "there is no profile [%.64s]", profile);
	return set(found[ACCESS_KEY], found[SECRET_KEY], found[TOKEN], ret_credentials, error);
}

/* --- metadata endpoints ------------------------------------------------------ */

/* "2026-11-21T06:00:00Z"; a fraction of a second is left out. Returns 0 when it is none. */
static int64_t parse_time(const char *text)
{
	struct tm when = {.tm_sec = 0};
	int len = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &when.tm_year, &when.tm_mon, &when.tm_mday,
		   &when.tm_hour, &when.tm_min, &when.tm_sec, &len) != 6 ||
	    (text[len] != 'Z' && text[len] != '.'))
		return 0;
	when.tm_year -= 1900;
	when.tm_mon--;
	return timegm(&when);
}

static int read_json(const json_t *object, struct credentials *ret_credentials,
		     char error[CREDENTIALS_ERROR_MAX])
{
	const char *access_key = json_string_value(json_object_get(object, "AccessKeyId"));
	const char *secret_key = json_string_value(json_object_get(object, "SecretAccessKey"));
	const char *token = json_string_value(json_object_get(object, "Token"));
	const char *expiration = json_string_value(json_object_get(object, "Expiration"));
	struct credentials found;
	int r;

	if (!json_is_object(object))
		return fail(error, -EBADMSG, "the answer is no JSON object");
	r = credentials_set(access_key, secret_key, token, &found, error);
	if (r < 0)
		return r;
	if (expiration != NULL) {
		found.expires_s = parse_time(expiration);
		if (found.expires_s <= 0)
			return fail(error, -EBADMSG, "Expiration is no time");
	}
	*ret_credentials = found;
	return 0;
}

int credentials_parse_json(const char *text, size_t len, struct credentials *ret_credentials,
			   char error[CREDENTIALS_ERROR_MAX])
{
	json_t *object = json_loadb(text, len, 0, NULL);
	int r = read_json(object, ret_credentials, error);

	json_decref(object);
	return r;
}
