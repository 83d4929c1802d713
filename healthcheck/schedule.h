/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Schedule: when a target is probed next. Pure; times in milliseconds of any
 * steady clock.
 *
 * A check has its place in the interval, its phase, that follows from its id.
 * Multiples of the golden ratio lie evenly in the unit interval however many
 * there are (Knuth, TAOCP volume 3, section 6.4, on Fibonacci hashing), so
 * checks with ids in a row spread evenly; random places would bunch.
 */
#ifndef SLUICE_SCHEDULE_H
#define SLUICE_SCHEDULE_H

#include <stdint.h>

/**
 * When the probe after the one that began at @begun_ms is due.
 *
 * At the phase point nearest to one interval later: so a first probe, which
 * begins whenever the check is made, counts as that of its interval, and one
 * that began late moves no other.
 *
 * @interval_ms  1 or more
 *
 * Returns a time from begun + interval/2 up to, not including, begun + 3*interval/2
 * (interval/2 rounded down).
 */
uint64_t schedule_next(uint64_t id, uint32_t interval_ms, uint64_t begun_ms);

#endif
