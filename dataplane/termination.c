/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* sendmmsg */
#include "termination.h"

#include "reset.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRIES 4   /* of a flow that a packet changed while it was ended */
#define SUSPECTS 64 /* flows that are ended as the walk passes; a killed process leaves one */

union line { /* of either family */
	struct sl_flow_line line;
	unsigned char bytes[SL_LINE_BYTES_V6];
};

struct suspect { /* a flow that may be nobody's */
	uint32_t number, control;
	bool v6;
};

struct termination {
	struct sl_tables tables; /* a view of its own: see flat.h */
	int socket;		 /* -1: no packets */
	int fd;			 /* eventfd */
	bool walking;		 /* and fd is readable */
	uint64_t next;		 /* counts through the flows of IPv4, then those of IPv6 */
	uint64_t left;		 /* flows that the walk has not looked at */
	uint64_t late_ns;	 /* when to walk once more; 0: never */
	int refused;		 /* of the running walk: the first error of sending */
	struct suspect suspects[SUSPECTS]; /* of the running walk, until the late one */
	unsigned int n_suspects;
	unsigned int n_ended; /* in this step */
	unsigned int n_resets, n_sent;
	struct reset resets[2 * TERMINATION_ENDS];
};

/* --- sending -------------------------------------------------------------- */

/*
 * Send what waits, as far as the kernel takes it. Where a queue is full the rest waits
 * for the next step; any other error is of one frame.
 */
static void send_resets(struct termination *termination)
{
	struct sockaddr_ll to[2 * TERMINATION_ENDS];
	struct mmsghdr messages[2 * TERMINATION_ENDS];
	struct iovec parts[2 * TERMINATION_ENDS];

	for (unsigned int i = termination->n_sent; i < termination->n_resets; i++) {
		struct reset *reset = &termination->resets[i];

		to[i] = (struct sockaddr_ll){
			.sll_family = AF_PACKET,
			.sll_ifindex = (int)reset->ifindex,
		};
		parts[i] = (struct iovec){reset->frame, reset->length};
		messages[i] = (struct mmsghdr){
			.msg_hdr = {&to[i], sizeof(to[i]), &parts[i], 1, NULL, 0, 0}};
	}
	while (termination->socket >= 0 && termination->n_sent < termination->n_resets) {
		int n = sendmmsg(termination->socket, &messages[termination->n_sent],
				 termination->n_resets - termination->n_sent, 0);

		if (n > 0) {
			termination->n_sent += (unsigned int)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS)
			return;
		if (termination->refused == 0)
			termination->refused = -errno;
		termination->n_sent++;
	}
	termination->n_resets = termination->n_sent = 0;
}

/* --- ending --------------------------------------------------------------- */

static void reset_side(struct termination *termination, bool v6, const union line *side,
		       uint64_t hop)
{
	struct sl_tables *t = &termination->tables;
	struct sl_listener_counters *listener = sl_count_listener(t, side->line.listener);

	if (!reset_build(t, v6, &side->line, hop, &termination->resets[termination->n_resets]))
		return;
	termination->n_resets++;
	if (listener != NULL)
		listener->elb_resets++;
}

/* Tell both sides. One whose sequence number is not known yet asks again by itself. */
static void tell(struct termination *termination, bool v6, uint32_t state, const union line *client,
		 const union line *target, uint64_t onward)
{
	if (state == SL_FLOW_ESTABLISHED) {
		uint64_t back;

		memcpy(&back, target->line.client_mac, sizeof(back));
		reset_side(termination, v6, client, back);
	}
	if (state == SL_FLOW_ESTABLISHED || state == SL_FLOW_ANSWERED)
		reset_side(termination, v6, target, onward);
}

static bool is_to_end(const struct sl_target *target, uint8_t protocol)
{
	if (target == NULL)
		return false;
	if (protocol != SL_UDP)
		return target->ends & SL_ENDS_TCP;
	return target->state == SL_TARGET_REMOVED && (target->ends & SL_ENDS_UDP);
}

/* --- flows that are nobody's ----------------------------------------------- */

static void suspect(struct termination *termination, bool v6, uint32_t number, uint32_t control)
{
	if (termination->late_ns != 0 && termination->n_suspects < SUSPECTS)
		termination->suspects[termination->n_suspects++] =
			(struct suspect){number, control, v6};
}

/* Do what is left of sl_flow_end(). The lines' versions are a log: the target's line dies right
 * before the flow is counted. */
static void remove_nobodys(struct termination *termination, const struct suspect *s)
{
	struct sl_tables *t = &termination->tables;
	struct sl_flow_line *client = sl_line(t, s->v6, 2 * s->number);
	struct sl_flow_line *target = sl_line(t, s->v6, 2 * s->number + 1);
	uint16_t dead = SL_CONTROL_VERSION(s->control) + 1;
	bool counted = target->version == dead;

	if (SL_READ(client->control) != s->control)
		return;
	sl_line_unlink(t, s->v6, client, 2 * s->number, dead);
	sl_line_unlink(t, s->v6, target, 2 * s->number + 1, dead);
	if (!counted) {
		if (!sl_state_is_closed(SL_CONTROL_FLAGS(s->control)))
			sl_count_ended(t, client, 1);
		sl_count_freed(t, client);
		SL_FETCH_ADD(&sl_pool(t, s->v6)->records_lost, 1);
	}
	SL_WRITE(client->control, SL_CONTROL(dead, 0, SL_FLOW_FREE));
	SL_ORDER();
	sl_pool_give(t, s->v6, s->number);
}

/* --- walking --------------------------------------------------------------- */

/* Look at a flow, and end it if that is its target's will. Returns false when a packet changed
 * it meanwhile. */
static bool look_at(struct termination *termination, bool v6, uint32_t number)
{
	struct sl_tables *t = &termination->tables;
	const size_t bytes = v6 ? SL_LINE_BYTES_V6 : SL_LINE_BYTES_V4;
	const struct sl_flow_line *client = sl_line(t, v6, 2 * number);
	uint32_t control = SL_READ(client->control), state = SL_CONTROL_STATE(control);
	const struct sl_target *peer;
	union line lines[2];

	if (state == SL_FLOW_ENDING)
		suspect(termination, v6, number, control);
	if (!sl_state_is_live(state) || sl_state_is_closed(state))
		return true;
	SL_ORDER();
	peer = sl_target(t, client->target);
	if (!is_to_end(peer, client->protocol))
		return true;
	/* before it ends: then the lines may be another flow's. If they are already, the control
	 * word has changed, too. */
	memcpy(&lines[0], client, bytes);
	memcpy(&lines[1], sl_line(t, v6, 2 * number + 1), bytes);
	if (!sl_flow_end(t, v6, number, control, sl_reason_of_target(peer)))
		return false;
	termination->n_ended++;
	tell(termination, v6, state, &lines[0], &lines[1], SL_READ(peer->next_hop));
	return true;
}

static uint64_t all_flows(const struct termination *termination)
{
	const struct sl_config *config = termination->tables.config;

	return (uint64_t)config->family[0].flows + config->family[1].flows;
}

/* Look at the next flow; skip those of which no number was ever used. */
static void look(struct termination *termination)
{
	const struct sl_tables *t = &termination->tables;
	const uint64_t flows4 = t->config->family[0].flows;
	bool v6 = termination->next >= flows4;
	uint64_t past = v6 ? termination->next - flows4 : termination->next;
	uint64_t skip = t->config->family[v6].flows - past;

	if (past < t->pools[v6].fresh) {
		skip = 1;
		for (int i = 0; i < RETRIES; i++)
			if (look_at(termination, v6, (uint32_t)past + 1))
				break;
	}
	if (skip > termination->left)
		skip = termination->left;
	termination->left -= skip;
	termination->next = (termination->next + skip) % all_flows(termination);
}

static void walk(struct termination *termination)
{
	termination->left = all_flows(termination);
	if (!termination->walking)
		eventfd_write(termination->fd, 1);
	termination->walking = true;
}

int termination_step(struct termination *termination, uint64_t now_ns)
{
	int refused;

	if (termination->late_ns != 0 && now_ns >= termination->late_ns) {
		for (; termination->n_suspects > 0; termination->n_suspects--)
			remove_nobodys(termination,
				       &termination->suspects[termination->n_suspects - 1]);
		walk(termination);
		termination->late_ns = 0;
	}
	if (!termination->walking)
		return 0;
	termination->tables.now_ns = now_ns;
	termination->n_ended = termination->n_resets == 0 ? 0 : TERMINATION_ENDS;
	for (int i = 0; i < TERMINATION_LOOKS; i++) {
		if (termination->left == 0 || termination->n_ended == TERMINATION_ENDS)
			break;
		look(termination);
	}
	send_resets(termination);
	if (termination->left > 0 || termination->n_resets > 0)
		return 0;
	eventfd_read(termination->fd, &(eventfd_t){0}); /* it was written once */
	termination->walking = false;
	refused = termination->refused;
	termination->refused = 0;
	return refused;
}

void termination_begin(struct termination *termination, uint64_t now_ns)
{
	walk(termination);
	termination->n_suspects = 0;
	termination->late_ns = now_ns + TERMINATION_LATE_NS;
}

int termination_fd(const struct termination *termination)
{
	return termination->fd;
}

/* --- life ----------------------------------------------------------------- */

/* Without a queue of the kernel's behind it: that would lose without a word what a device's ring
 * has no room for, a tap's above all. */
static int open_socket(struct termination *termination)
{
	const int yes = 1;

	/* protocol 0: it receives nothing */
	termination->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (termination->socket < 0)
		return -1;
	return setsockopt(termination->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof(yes));
}

int termination_open(const struct sl_tables *tables,
		     void (*flow_ended)(void *context, const struct sl_flow_record *record),
		     void *context, bool packets, struct termination **ret_termination)
{
	struct termination *termination = calloc(1, sizeof(*termination));
	int r;

	if (termination == NULL)
		return -ENOMEM;
	termination->tables = *tables;
	termination->tables.flow_ended = flow_ended;
	termination->tables.context = context;
	termination->socket = -1;
	termination->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (termination->fd < 0)
		goto fail;
	if (packets && open_socket(termination) != 0)
		goto fail;
	*ret_termination = termination;
	return 0;
fail:
	r = -errno;
	termination_close(termination);
	return r;
}

void termination_close(struct termination *termination)
{
	if (termination == NULL)
		return;
	if (termination->socket >= 0)
		close(termination->socket);
	if (termination->fd >= 0)
		close(termination->fd);
	free(termination);
}
