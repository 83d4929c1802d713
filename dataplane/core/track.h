/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Track: what SYN, FIN, RST and the first ACK do to a flow's state. Other
 * packets of an established flow never come here.
 *
 *   half-open ── SYN-ACK ──▶ answered ── ACK ──▶ established
 *   any ── FIN both ways ──▶ lingering
 *   any ── RST ──▶ reset ── client goes on ──▶ established (the RST was not the target's to obey)
 *   lingering, reset ── new SYN ──▶ ended, and a new flow begins
 */
#ifndef SL_TRACK_H
#define SL_TRACK_H

#include "flow_end.h"

#define SL_TRACK_TRIES 4 /* of a state that other packets of the flow change at the same time */
#define SL_TCP_STATE_FLAGS (SL_TCP_SYN | SL_TCP_FIN | SL_TCP_RST)

/** The control word after a packet; @control itself when it changes nothing. */
SL_INLINE __u32 sl_track_next(__u32 control, bool from_client, __u8 tcp_flags)
{
	__u32 state = SL_CONTROL_STATE(control);
	__u32 flags = SL_CONTROL_FLAGS(control);

	if (tcp_flags & SL_TCP_RST) {
		if (state == SL_FLOW_LINGERING)
			return control; /* closed already; the reason stays */
		state = SL_FLOW_RESET;
		flags = from_client ? flags & ~SL_FLAG_RST_BY_TARGET : flags | SL_FLAG_RST_BY_TARGET;
	} else if (tcp_flags & SL_TCP_SYN) {
		if (!from_client && (tcp_flags & SL_TCP_ACK) && state == SL_FLOW_HALF_OPEN)
			state = SL_FLOW_ANSWERED;
	} else {
		if (tcp_flags & SL_TCP_FIN)
			flags |= from_client ? SL_FLAG_CLIENT_FIN : SL_FLAG_TARGET_FIN;
		if (from_client && (state == SL_FLOW_ANSWERED || state == SL_FLOW_RESET) &&
		    (tcp_flags & SL_TCP_ACK))
			state = SL_FLOW_ESTABLISHED;
		if ((flags & SL_FLAG_CLIENT_FIN) && (flags & SL_FLAG_TARGET_FIN))
			state = SL_FLOW_LINGERING;
	}
	return SL_CONTROL(SL_CONTROL_VERSION(control), flags, state);
}

SL_INLINE int sl_track_family(sl_tables_t t, bool v6, __u32 number, __u16 version, __u8 tcp_flags)
{
	struct sl_flow_line *client = sl_line(t, v6, number & ~1u);
	struct sl_flow_cold *cold = sl_cold(t, v6, number / 2);
	__u32 control, next = 0, before, after;
	bool changed = false;

	if (client == NULL || cold == NULL)
		return 0;
	/* both sides' FINs may come at once: whoever is slower must look again, or
	 * the flow would stay established, and take the SYN of the client's next one */
	for (int i = 0; i < SL_TRACK_TRIES && !changed; i++) {
		control = SL_READ(client->control);
		if (SL_CONTROL_VERSION(control) != version ||
		    SL_CONTROL_STATE(control) == SL_FLOW_ENDING)
			return 0;
		next = sl_track_next(control, !(number & 1), tcp_flags);
		if (next == control)
			return 0;
		changed = SL_CAS(&client->control, control, next) == control;
	}
	if (!changed)
		return 0;
	before = SL_CONTROL_STATE(control);
	after = SL_CONTROL_STATE(next);
	if (after == SL_FLOW_ANSWERED && before == SL_FLOW_HALF_OPEN)
		cold->connect_us = (__u32)((sl_now_ns(t) - cold->start_ns) / 1000);
	if (sl_state_is_closed(after) != sl_state_is_closed(before))
		sl_count_ended(t, client, sl_state_is_closed(after) ? 1 : -1ull);
	return 0;
}

/**
 * Note what a packet says about its flow's state.
 *
 * @number, @version  the line that the packet matched, and its version
 */
SL_GLOBAL int sl_track(sl_tables_t t, __u32 v6, __u32 number, __u32 version, __u32 tcp_flags)
{
	if (v6)
		return sl_track_family(t, true, number, (__u16)version, (__u8)tcp_flags);
	return sl_track_family(t, false, number, (__u16)version, (__u8)tcp_flags);
}

#endif
