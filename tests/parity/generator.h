/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Generator: random steps over several worlds at once: packets that belong to
 * flows or nearly do, answers to packets that left, ICMP errors, fragments,
 * all of these damaged; time that passes; changes of the model. The same seed
 * gives the same steps as long as the packets that leave are the same.
 */
#ifndef SLUICE_TESTS_GENERATOR_H
#define SLUICE_TESTS_GENERATOR_H

#include "tests/unit/world.h"

#define GENERATOR_WORLDS 2
#define GENERATOR_RECENT 256 /* packets that left and may be answered */

struct generator {
	uint64_t random;
	uint32_t steps;
	struct world *worlds[GENERATOR_WORLDS]; /* filled alike by world_fill() */
	struct packet recent[GENERATOR_RECENT];
	uint32_t recent_ifindex[GENERATOR_RECENT]; /* where an answer comes in */
	uint32_t n_recent;
	struct packet_spec last; /* of a client, before it varied; TTL 0: none yet */
	struct packet pieces; /* the datagram being sent in fragments */
	uint32_t piece_bytes, pieces_at, pieces_ifindex;
};

enum generated {
	GENERATED_PACKET,
	GENERATED_CHANGE, /* of time or of the model, made in all worlds */
	GENERATED_SWEEP,  /* the caller sweeps the flow table */
};

void generator_begin(struct generator *g, uint64_t seed, struct world *first,
		     struct world *second);

/** The next step. @packet and @ifindex are of a packet to receive. */
enum generated generator_next(struct generator *g, struct packet *packet, uint32_t *ifindex);

/** Remember a packet that left by a port. */
void generator_learn(struct generator *g, const struct packet *packet, uint32_t port);

uint32_t generator_below(struct generator *g, uint32_t n);

#endif
