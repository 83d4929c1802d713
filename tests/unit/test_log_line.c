/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/logs/log_line.h"
#include "dataplane/engine.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CASES 200000
#define SEED 20261121u

static struct log_line formatter;

static int setup(void **state)
{
	(void)state;
	log_line_init(&formatter);
	snprintf(formatter.zones[0], sizeof(formatter.zones[0]), "rack-1");
	snprintf(formatter.zones[7], sizeof(formatter.zones[7]), "%s",
		 "a-zone-with-the-longest-name-there-can-be-in-a-config-of-sluice");
	return 0;
}

static struct in6_addr address(const char *text)
{
	struct in6_addr out;

	assert_int_equal(address_parse(text, &out), 0);
	return out;
}

static struct record ordinary(void)
{
	return (struct record){
		.load_balancer_id = 0xc6e77e28c25b2234,
		.listener_id = 0x03d4b5e8bb8464cd,
		.group_id = 0x73e2d6bc24d8a067,
		.start_us = 1545274770000001,
		.end_us = 1545274780999999,
		.client_bytes = 98,
		.client_packets = 5,
		.target_bytes = 246,
		.target_packets = 4,
		.client = address("72.21.218.154"),
		.vip = address("172.100.100.185"),
		.nat = address("10.0.0.1"),
		.target = address("10.0.0.200"),
		.client_port = 51341,
		.vip_port = 443,
		.nat_port = 1024,
		.target_port = 8443,
		.connect_us = 2007,
		.protocol = IPPROTO_TCP,
		.reason = ENGINE_CLOSE_FIN,
		.start = RECORD_START_HEALTHY,
		.group = "my-targets",
	};
}

static void assert_line(const struct record *record, const char *want)
{
	char line[LOG_LINE_MAX + 1];
	size_t len = log_line_format(&formatter, record, "my-network-loadbalancer", line);

	line[len] = '\0';
	assert_string_equal(line, want);
}

static void a_tcp_flow_is_written_as_the_reference_says(void **state)
{
	struct record record = ordinary();

	(void)state;
	assert_line(&record,
		    "tcp 2.0 2018-12-20T02:59:40 net/my-network-loadbalancer/c6e77e28c25b2234 "
		    "03d4b5e8bb8464cd 72.21.218.154:51341 172.100.100.185:443 10999 - 98 246 "
		    "- - - - - - - - - - 2018-12-20T02:59:30 10.0.0.200:8443 "
		    "targetgroup/my-targets/73e2d6bc24d8a067 10.0.0.1:1024 5,4 2.007 fin healthy "
		    "rack-1 - 1545274770000001,1545274780999999\n");
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
	struct record record = ordinary();

	(void)state;
	record.protocol = IPPROTO_UDP;
	record.client = address("2001:db8::1:0:0:1");
	record.vip = address("::");
	record.nat = address("fd00:0:0:1::");
	record.target = address("1:0:2:0:3:0:4:0");
	record.connect_us = 0;
	record.reason = ENGINE_CLOSE_IDLE;
	record.start = RECORD_START_FAILOPEN;
	record.zone = 1; /* has no name */
	assert_line(&record,
		    "udp 2.0 2018-12-20T02:59:40 net/my-network-loadbalancer/c6e77e28c25b2234 "
		    "03d4b5e8bb8464cd [2001:db8::1:0:0:1]:51341 [::]:443 10999 - 98 246 "
		    "- - - - - - - - - - 2018-12-20T02:59:30 [1:0:2:0:3:0:4:0]:8443 "
		    "targetgroup/my-targets/73e2d6bc24d8a067 [fd00:0:0:1::]:1024 5,4 - idle "
		    "failopen - - 1545274770000001,1545274780999999\n");
}

static void a_refused_flow_has_no_target(void **state)
{
	struct record record = ordinary();

	(void)state;
	record.reason = ENGINE_CLOSE_NO_TARGET;
	record.start = RECORD_START_NONE;
	record.connect_us = 0;
	record.end_us = record.start_us;
	record.client_packets = record.client_bytes = 0;
	record.target_packets = record.target_bytes = 0;
	memset(record.group, 0, sizeof(record.group));
	assert_line(&record,
		    "tcp 2.0 2018-12-20T02:59:30 net/my-network-loadbalancer/c6e77e28c25b2234 "
		    "03d4b5e8bb8464cd 72.21.218.154:51341 172.100.100.185:443 0 - 0 0 "
		    "- - - - - - - - - - 2018-12-20T02:59:30 - - - 0,0 - no_target - rack-1 - "
		    "1545274770000001,1545274770000001\n");
}

static void a_flow_that_ends_before_it_began_took_no_time(void **state)
{
	struct record record = ordinary();
	char line[LOG_LINE_MAX + 1];

	(void)state;
	record.end_us = record.start_us - 1;
	line[log_line_format(&formatter, &record, "x", line)] = '\0';
	assert_non_null(strstr(line, ":443 0 - 98 246 "));
}

/* --- the slow model -------------------------------------------------------- */

static uint64_t random_64(void)
{
	static uint64_t x = SEED;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* Of all sizes alike, not only large. */
static uint64_t random_number(unsigned int bits)
{
	return random_64() >> (64 - 1 - random_64() % bits);
}

static struct in6_addr random_address(void)
{
	struct in6_addr out;

	if (random_64() & 1)
		return address_from_v4((in_addr_t)random_64());
	for (int i = 0; i < 16; i++)
		out.s6_addr[i] = (uint8_t)(random_64() % 3 == 0 ? random_64() : 0);
	out.s6_addr[0] = 0x20; /* inet_ntop() writes ::1.2.3.4 and ::ffff:1.2.3.4 dotted */
	return out;
}

static const char *model_end(const struct in6_addr *address, uint16_t port, char text[64])
{
	char host[ADDRESS_TEXT_MAX];
	bool v4 = address_is_v4(address);

	address_format(address, host);
	snprintf(text, 64, "%s%s%s:%u", v4 ? "" : "[", host, v4 ? "" : "]", port);
	return text;
}

static const char *model_time(uint64_t us, char text[32])
{
	time_t second = (time_t)(us / 1000000);
	struct tm tm;

	strftime(text, 32, "%Y-%m-%dT%H:%M:%S", gmtime_r(&second, &tm));
	return text;
}

static void model_line(const struct record *r, const char *name, char *line)
{
	static const char *const starts[] = {"-", "healthy", "failopen"};
	char client[64], vip[64], nat[64], target[64], start[32], end[32], connect[32] = "-";
	char group[128] = "-";
	bool refused = r->reason >= ENGINE_CLOSE_ENDED;
	const char *zone = formatter.zones[r->zone];

	if (r->connect_us != 0)
		snprintf(connect, sizeof(connect), "%.3f", r->connect_us / 1000.0);
	if (r->group[0] != '\0')
		snprintf(group, sizeof(group), "targetgroup/%s/%016" PRIx64, r->group, r->group_id);
	snprintf(line, LOG_LINE_MAX,
		 "%s 2.0 %s net/%s/%016" PRIx64 " %016" PRIx64 " %s %s %" PRIu64 " - %" PRIu64
		 " %" PRIu64 " - - - - - - - - - - %s %s %s %s %" PRIu64 ",%" PRIu64
		 " %s %s %s %s - %" PRIu64 ",%" PRIu64 "\n",
		 r->protocol == IPPROTO_UDP ? "udp" : "tcp", model_time(r->end_us, end), name,
		 r->load_balancer_id, r->listener_id, model_end(&r->client, r->client_port, client),
		 model_end(&r->vip, r->vip_port, vip),
		 r->end_us > r->start_us ? (r->end_us - r->start_us) / 1000 : 0, r->client_bytes,
		 r->target_bytes, model_time(r->start_us, start),
		 refused ? "-" : model_end(&r->target, r->target_port, target), group,
		 refused ? "-" : model_end(&r->nat, r->nat_port, nat), r->client_packets,
		 r->target_packets, connect, engine_close_reason_name(r->reason), starts[r->start],
		 zone[0] != '\0' ? zone : "-", r->start_us, r->end_us);
}

static struct record random_record(void)
{
	struct record r = {
		.load_balancer_id = random_number(64),
		.listener_id = random_number(64),
		.group_id = random_number(64),
		.start_us = random_number(52),
		.client_bytes = random_number(64),
		.client_packets = random_number(64),
		.target_bytes = random_number(64),
		.target_packets = random_number(64),
		.client = random_address(),
		.vip = random_address(),
		.nat = random_address(),
		.target = random_address(),
		.client_port = (uint16_t)random_number(16),
		.vip_port = (uint16_t)random_number(16),
		.nat_port = (uint16_t)random_number(16),
		.target_port = (uint16_t)random_number(16),
		.connect_us = (uint32_t)random_number(32),
		.protocol = random_64() & 1 ? IPPROTO_TCP : IPPROTO_UDP,
		.reason = (uint8_t)(random_64() % ENGINE_CLOSE_COUNT),
		.start = (uint8_t)(random_64() % 3),
		.zone = (uint8_t)(random_64() % LOG_LINE_ZONES),
	};

	r.end_us = random_64() % 4 == 0 ? random_number(52) : r.start_us + random_number(40);
	if (random_64() % 4 != 0)
		memset(r.group, 'a' + (int)(random_64() % 26), random_64() % RECORD_GROUP_MAX);
	return r;
}

static void agrees_with_a_slow_model(void **state)
{
	char line[LOG_LINE_MAX + 1], want[LOG_LINE_MAX + 1];

	(void)state;
	print_message("seed %u\n", SEED);
	for (int i = 0; i < CASES; i++) {
		struct record record = random_record();

		line[log_line_format(&formatter, &record, "lb", line)] = '\0';
		model_line(&record, "lb", want);
		assert_string_equal(line, want);
	}
}

static void the_longest_line_fits(void **state)
{
	char name[LOG_LINE_NAME_MAX], line[LOG_LINE_MAX];
	struct record record;

	(void)state;
	memset(&record, 0xff, sizeof(record));
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	record.zone = 7;
	record.reason = ENGINE_CLOSE_RST_LB_UNHEALTHY;
	record.start = RECORD_START_FAILOPEN;
	record.start_us = 0;
	record.end_us = UINT64_MAX / 60; /* the year 11714 */
	record.group[RECORD_GROUP_MAX - 1] = '\0';
	assert_in_range(log_line_format(&formatter, &record, name, line), 600, LOG_LINE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_flow_is_written_as_the_reference_says),
		cmocka_unit_test(an_ipv6_address_stands_in_brackets),
		cmocka_unit_test(a_refused_flow_has_no_target),
		cmocka_unit_test(a_flow_that_ends_before_it_began_took_no_time),
		cmocka_unit_test(agrees_with_a_slow_model),
		cmocka_unit_test(the_longest_line_fits),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
