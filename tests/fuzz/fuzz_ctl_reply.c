/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes in the place of sluiced's reply, shown by any command in any
 * format: the first byte chooses.
 */
#include "control/ctl_client.h"
#include "control/ctl_output.h"
#include "control/ctl_rates.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void show(const struct ctl_command *command, enum ctl_format format, const json_t *value)
{
	char *text = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&text, &len);
	struct ctl_output *output = ctl_output_open(out, format, command);
	json_t *back;

	require(output != NULL && ctl_output_page(output, value) == 0);
	ctl_output_end(output, NULL);
	ctl_output_free(output);
	fclose(out);
	for (i = 0; i < len; i++) /* nothing that drives a terminal */
		require((unsigned char)text[i] >= 0x20 || text[i] == '\n' || text[i] == '\t');
	if (format == CTL_JSON) {
		back = json_loads(text, JSON_DECODE_ANY, NULL);
		require(back != NULL);
		require(command->page_max > 0 || json_equal(back, value));
		json_decref(back);
	}
	free(text);
}

static void rate(const json_t *value)
{
	const json_t *metrics = json_object_get(value, "Metrics");
	const json_t *groups = json_object_get(value, "TargetGroups");
	struct ctl_rates *rates = ctl_rates_open();

	for (int64_t now_ms = 0; now_ms < 2000; now_ms += 1000)
		json_decref(ctl_rates_update(rates, metrics, groups, now_ms));
	ctl_rates_free(rates);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ctl_command *command = ctl_commands();
	struct ctl_error error = {.text = ""};
	json_t *value = NULL;
	int r;

	if (size == 0)
		return 0;
	for (unsigned int i = data[0] / 3; i > 0 && command[1].name != NULL; i--)
		command++;
	r = ctl_client_parse((const char *)data + 1, size - 1, 1, "Method", &value, &error);
	require((r < 0) == (value == NULL) && (r < 0) == (error.text[0] != '\0'));
	if (r >= 0) {
		show(command, (enum ctl_format)(data[0] % 3), value);
		rate(value);
	}
	json_decref(value);
	return 0;
}
