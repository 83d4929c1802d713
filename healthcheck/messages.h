/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between sluiced and sluice-health, each one packet of a
 * SOCK_SEQPACKET socket pair.
 *
 * sluiced says which targets to probe and how (MESSAGE_PUT, MESSAGE_REMOVE);
 * sluice-health answers with the result of each probe (MESSAGE_REPORT) and says
 * every second that it is alive (MESSAGE_HEARTBEAT). It decides nothing: what a
 * result means for a target is the state machine's (machine.h).
 *
 * Both ends run on one machine and come from one build, so numbers are in host
 * order; but neither trusts the other: whatever arrives goes through
 * messages_decode(). Values on the wire are never renumbered.
 */
#ifndef SLUICE_MESSAGES_H
#define SLUICE_MESSAGES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGES_PATH_MAX 1024 /* bytes of a path, without its NUL */
#define MESSAGES_HOST_MAX 63   /* "[IPv6 address]:65535" takes 53 */
#define MESSAGES_RANGES_MAX 64 /* of status codes: what 255 bytes of a matcher hold */
#define MESSAGES_HEARTBEAT_MS 1000
#define MESSAGES_INTERVAL_MIN_MS 100
#define MESSAGES_INTERVAL_MAX_MS 300000
#define MESSAGES_TIMEOUT_MIN_MS 100
#define MESSAGES_TIMEOUT_MAX_MS 120000

enum message_type {
	MESSAGE_PUT = 1,   /* to the prober: probe this target, at once and then every interval */
	MESSAGE_REMOVE,	   /* to the prober: no longer */
	MESSAGE_REPORT,	   /* from the prober: a probe ended */
	MESSAGE_HEARTBEAT, /* from the prober: first at its start, then every second */
};

enum probe_protocol { PROBE_TCP, PROBE_HTTP, PROBE_HTTPS };

struct probe_range { /* of HTTP status codes, both ends included */
	uint16_t first, last;
};

/* A put of a known id replaces the check: a probe under way is dropped without
 * a report, and the first one of the new check begins at once. */
struct probe_put {
	uint64_t id;
	uint32_t generation; /* given back in each report, to tell those of older checks */
	uint32_t protocol;   /* enum probe_protocol */
	uint32_t interval_ms;
	uint32_t timeout_ms;	/* of the whole probe; at most interval_ms */
	struct in6_addr target; /* IPv4 as ::ffff:a.b.c.d, both addresses */
	struct in6_addr source; /* all zero: the kernel chooses */
	uint16_t port;
	uint16_t source_port_min, source_port_max; /* both zero: the kernel chooses */
	uint16_t n_ranges;			   /* HTTP and HTTPS: at least 1; TCP: 0 */
	uint32_t proxy_v2; /* 1: begin with a PROXY v2 header of command LOCAL; else 0 */
	struct probe_range ranges[MESSAGES_RANGES_MAX];
	char host[MESSAGES_HOST_MAX + 1]; /* the Host header's value; TCP: empty */
	char path[MESSAGES_PATH_MAX + 4]; /* visible ASCII that begins with '/'; TCP: empty */
};
_Static_assert(sizeof(struct probe_put) == 1416, "no padding: what is sent is all defined");

struct probe_remove {
	uint64_t id;
};

/*
 * How a probe ended. What is our own fault says nothing about the target: it is
 * told to the operator, the probe is repeated soon, and nobody's state changes.
 *
 *	X(symbol, value, verdict, name, text)
 */
#define PROBE_RESULTS(X)                                                                         \
	X(OK, 0, SUCCESS, "ok", "the probe succeeded")                                           \
	X(TIMEOUT, 1, FAILURE, "timeout", "the target did not answer in time")                   \
	X(REFUSED, 2, FAILURE, "refused", "the target refused the connection")                   \
	X(RESET, 3, FAILURE, "reset", "the target reset the connection")                         \
	X(UNREACHABLE, 4, FAILURE, "unreachable", "the target cannot be reached")                \
	X(TLS, 5, FAILURE, "tls", "the TLS handshake failed")                                    \
	X(STATUS, 6, FAILURE, "status", "the status code is not one that the matcher wants")     \
	X(RESPONSE, 7, FAILURE, "response", "what the target sent is not an HTTP response")      \
	X(CLOSED, 8, FAILURE, "closed", "the target closed the connection before its response")  \
	X(NO_DESCRIPTORS, 9, OWN_FAULT, "no_descriptors", "out of file descriptors")             \
	X(NO_MEMORY, 10, OWN_FAULT, "no_memory", "out of memory or socket buffers")              \
	X(NO_PORT, 11, OWN_FAULT, "no_port", "no source port is free towards the target")        \
	X(NO_SOURCE, 12, OWN_FAULT, "no_source", "the source address is not on this machine")    \
	X(STALLED, 13, OWN_FAULT, "stalled", "the prober was held up and cannot judge the time") \
	X(INTERNAL, 14, OWN_FAULT, "internal", "the prober failed")

enum probe_result {
#define X(symbol, value, verdict, name, text) PROBE_##symbol = value,
	PROBE_RESULTS(X)
#undef X
		PROBE_RESULT_COUNT
};

enum probe_verdict { PROBE_SUCCESS, PROBE_FAILURE, PROBE_OWN_FAULT };

struct probe_report {
	uint64_t id;
	uint32_t generation;
	uint32_t result;      /* enum probe_result */
	uint32_t duration_us; /* from the start of the connection to the verdict */
	uint32_t error;	      /* errno behind the result, 0 when there is none */
	uint32_t http_status; /* 0: none was received */
	uint32_t reserved;    /* 0 */
};
_Static_assert(sizeof(struct probe_report) == 32, "no padding");

struct message {
	uint32_t type;	   /* enum message_type */
	uint32_t reserved; /* 0 */
	union {
		struct probe_put put;
		struct probe_remove remove;
		struct probe_report report;
	};
};

/** Bytes of a message of this type on the wire, 0 when there is no such type. */
size_t messages_size(uint32_t type);

/**
 * Take a message from what one recv() gave.
 *
 * @from_prober  which end sent it: each sends its own types only
 *
 * Everything is checked: length, type, ranges, texts (terminated, nothing that
 * could break a request line), one address family.
 *
 * Returns 0 with *ret_message filled, or -EBADMSG.
 */
int messages_decode(const void *bytes, size_t len, bool from_prober, struct message *ret_message);

/** "timeout"; "unknown" when there is no such result. */
const char *messages_result_name(uint32_t result);
/** "the target did not answer in time". */
const char *messages_result_text(uint32_t result);
/** What the result says about the target; PROBE_OWN_FAULT when there is no such result. */
enum probe_verdict messages_verdict(uint32_t result);

#endif
