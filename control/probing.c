/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/probing.h"

#include "control/config.h"
#include "control/log.h"
#include "control/supervisor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_LOG_MS 60000 /* between lines on probes that failed by our own fault */

struct probing {
	struct model *model;
	struct probing_events on;
	struct supervisor *supervisor;
	char path[4096];
	bool running;	  /* as far as we know */
	bool has_message; /* one that is made, but not sent */
	struct message message;
	unsigned long faults; /* since the last line on them */
	int64_t fault_logged_ms;
};

void probing_send(struct probing *probing)
{
	bool sent = false;

	while (probing->running &&
	       (probing->has_message || model_next_probe(probing->model, &probing->message))) {
		int r = supervisor_send(probing->supervisor, &probing->message,
					messages_size(probing->message.type));

		sent = true;
		probing->has_message = r == -EAGAIN;
		if (r == -ENOTCONN)
			probing->running = false; /* all comes again when it is started */
		if (r < 0)
			break;
	}
	if (sent) /* targets are being checked now, which is a change of their state */
		probing->on.changed(probing->on.context);
}

static void started(void *context)
{
	struct probing *probing = context;

	model_restart_probes(probing->model);
	probing->running = true;
	probing->has_message = false;
	probing_send(probing);
}

static void writable(void *context)
{
	probing_send(context);
}

static void note_fault(struct probing *probing, const struct probe_report *report)
{
	int64_t now_ms = log_now_ms();

	probing->faults++;
	if (now_ms - probing->fault_logged_ms < FAULT_LOG_MS)
		return;
	log_error("health checks fail by our own fault, which makes no target unhealthy: %s%s%s; "
		  "%lu probes since the last such line",
		  messages_result_text(report->result), report->error != 0 ? ": " : "",
		  report->error != 0 ? strerror((int)report->error) : "", probing->faults);
	probing->fault_logged_ms = now_ms;
	probing->faults = 0;
}

static bool message(void *context, const void *bytes, size_t len)
{
	struct probing *probing = context;
	struct message got;

	if (messages_decode(bytes, len, true, &got) < 0)
		return false;
	if (got.type != MESSAGE_REPORT)
		return true; /* a heartbeat, and that it came is all it says */
	if (messages_verdict(got.report.result) == PROBE_OWN_FAULT)
		note_fault(probing, &got.report);
	model_report(probing->model, &got.report, log_now_ms());
	probing->on.changed(probing->on.context);
	return true;
}

int probing_open(uv_loop_t *loop, const struct config *config, struct model *model,
		 const struct probing_events *events, struct probing **ret_probing,
		 char error[PROBING_ERROR_MAX])
{
	struct probing *probing = calloc(1, sizeof(*probing));
	const struct supervisor_events on = {probing, started, message, writable};
	int r = -ENOMEM;

	if (probing == NULL)
		goto fail;
	probing->model = model;
	probing->on = *events;
	r = supervisor_find("sluice-health", "healthcheck", probing->path, sizeof(probing->path));
	if (r == 0) {
		const struct supervisor_options options = {
			.name = "sluice-health",
			.path = probing->path,
			.args = {"--user", config->health_user},
			.silence_max_ms = PROBING_SILENCE_MAX_MS,
		};

		r = supervisor_open(loop, &options, &on, &probing->supervisor);
	}
	if (r < 0)
		goto fail;
	*ret_probing = probing;
	return 0;
fail:
	snprintf(error, PROBING_ERROR_MAX, "sluice-health cannot be started (%.200s): %s",
		 probing != NULL ? probing->path : "", strerror(-r));
	free(probing);
	return r;
}

void probing_close(struct probing *probing)
{
	if (probing == NULL)
		return;
	supervisor_close(probing->supervisor);
	free(probing);
}
