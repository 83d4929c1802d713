/* SPDX-License-Identifier: BSD-3-Clause */
#include "healthcheck/schedule.h"

#define GOLDEN_RATIO_64 0x9e3779b97f4a7c15u /* 2^64 / golden ratio, made odd */

static uint32_t phase_ms(uint64_t id, uint32_t interval_ms)
{
	uint64_t place = id * GOLDEN_RATIO_64 >> 32; /* of 2^32 in an interval */

	return (uint32_t)(place * interval_ms >> 32);
}

uint64_t schedule_next(uint64_t id, uint32_t interval_ms, uint64_t begun_ms)
{
	uint64_t earliest = begun_ms + interval_ms / 2;
	uint64_t into_interval = earliest % interval_ms;
	uint64_t phase = phase_ms(id, interval_ms);

	return earliest - into_interval + phase + (phase < into_interval ? interval_ms : 0);
}
