// SPDX-License-Identifier: BSD-3-Clause
/*
 * Flow records a second that become access-log lines, on one core: formatted
 * and compressed alone, and on the whole way from the queue to a file.
 *
 * Prints one line of JSON for each case. Rates are of CPU time, so that a busy
 * machine does not flatter or shame; every file that is made is read again, and
 * must hold as many lines as there were records.
 */
#define _GNU_SOURCE /* nftw() */
#include "control/logs/gzip_member.h"
#include "control/logs/log_line.h"
#include "control/logs/spool.h"
#include "dataplane/engine.h"

#include <arpa/inet.h>
#include <err.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define POOL 65536u /* different records */
#define ROUND_RECORDS 2000000u
#define ROUNDS_MAX 64
#define NOW_US 1588291200000000

static struct record pool[POOL];
static uint64_t random_state = 20261121;

static uint32_t below(uint32_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 32) * n >> 32);
}

static struct in6_addr address(uint8_t net, uint32_t host)
{
	return address_from_v4(htonl(10u << 24 | (uint32_t)net << 16 | host));
}

/* Short HTTP flows of many clients over one load balancer with 100 targets. */
static void fill_pool(void)
{
	for (uint32_t i = 0; i < POOL; i++) {
		struct record *r = &pool[i];
		uint64_t us = 200 + below(300000);

		*r = (struct record){
			.load_balancer_id = 1,
			.listener_id = 0x03d4b5e8bb8464cd,
			.group_id = 0x73e2d6bc24d8a067,
			.end_us = NOW_US + i * 2,
			.start_us = NOW_US + i * 2 - us,
			.client = address(77, below(65536)),
			.vip = address(0, 80),
			.nat = address(1, 200),
			.target = address(1, below(100)),
			.client_port = (uint16_t)(1024 + below(60000)),
			.vip_port = 443,
			.nat_port = (uint16_t)(1024 + below(60000)),
			.target_port = 8443,
			.client_packets = 5 + below(20),
			.target_packets = 4 + below(60),
			.connect_us = 50 + below(2000),
			.protocol = IPPROTO_TCP,
			.reason = below(10) == 0 ? ENGINE_CLOSE_RST_CLIENT : ENGINE_CLOSE_FIN,
			.start = RECORD_START_HEALTHY,
			.group = "production-web",
		};
		r->client_bytes = r->client_packets * 60 + below(1000);
		r->target_bytes = r->target_packets * 60 + below(50000);
	}
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- format_and_gzip ----------------------------------------------------------------- */

static uint64_t lines_of(const char *member, size_t bytes, char *text)
{
	int len = gzip_member_check(member, bytes, text);
	uint64_t lines = 0;

	if (len < 0)
		errx(1, "a member that was written cannot be read");
	for (int i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

static double format_and_gzip(void)
{
	static char text[GZIP_MEMBER_TEXT_MAX], out[GZIP_MEMBER_MAX];
	struct gzip_compressor *compressor;
	struct log_line formatter;
	uint64_t lines = 0;
	double seconds = 0;

	log_line_init(&formatter);
	snprintf(formatter.zones[0], sizeof(formatter.zones[0]), "rack-1");
	if (gzip_compressor_open(&compressor) < 0)
		errx(1, "out of memory");
	for (uint32_t i = 0; i < ROUND_RECORDS;) {
		struct gzip_member member = {};
		size_t len = 0;
		double begin = cpu_seconds();

		for (; i < ROUND_RECORDS && len + LOG_LINE_MAX <= sizeof(text); i++)
			len += log_line_format(&formatter, &pool[i % POOL], "my-load-balancer",
					       text + len);
		gzip_member_write(compressor, text, len, &member, out);
		seconds += cpu_seconds() - begin;
		lines += lines_of(out, member.bytes, text);
	}
	gzip_compressor_close(compressor);
	if (lines != ROUND_RECORDS)
		errx(1, "%llu lines of %u records", (unsigned long long)lines, ROUND_RECORDS);
	return ROUND_RECORDS / seconds;
}

/* --- queue_to_file --------------------------------------------------------------------- */

static void finished(void *context, struct upload *upload)
{
	(void)context;
	(void)upload;
}

static void said(void *context, const char *text)
{
	(void)context;
	errx(1, "the spool says: %s", text);
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* What both processes do, one after the other. */
static double take_all(struct record_queue *queue, struct spool *spool)
{
	double begin = cpu_seconds();
	int64_t now_ms = NOW_US / 1000;

	for (uint32_t i = 0; i < ROUND_RECORDS;) {
		for (uint32_t batch = 0; batch < RECORD_QUEUE_RECORDS / 4; batch++, i++) {
			if (!record_queue_put(queue, &pool[i % POOL]))
				errx(1, "the queue is full");
		}
		spool_take(spool, record_queue_end(queue), now_ms += 100);
	}
	return cpu_seconds() - begin;
}

static double queue_to_file(const char *parent)
{
	const struct spool_events events = {NULL, finished, finished, said};
	const struct logs_destination destination = {
		.load_balancer_id = 1, .load_balancer = "my-load-balancer", .bucket = "my-bucket"};
	struct logs_settings settings = {
		.account_id = "123456789012",
		.region = "us-east-1",
		.spool_bytes_max = UINT64_MAX,
		.file_bytes_max = 64 << 20,
		.interval_s = 300,
		.zones = {"rack-1"},
	};
	char dir[512], path[600], error[SPOOL_ERROR_MAX];
	struct record_queue *queue;
	struct spool *spool;
	uint64_t records, want;
	double seconds;

	snprintf(dir, sizeof(dir), "%s/sluice-bench-XXXXXX", parent);
	if (mkdtemp(dir) == NULL)
		err(1, "%s", dir);
	snprintf(settings.spool_dir, sizeof(settings.spool_dir), "%s", dir);
	snprintf(path, sizeof(path), "%s/queue", dir);
	if (record_queue_open(path, RECORD_QUEUE_RECORDS, &queue, error) < 0 ||
	    spool_open(&settings, queue, &events, &spool, error) < 0)
		errx(1, "%s", error);
	if (spool_put(spool, &destination) < 0)
		errx(1, "out of memory");
	seconds = take_all(queue, spool);
	want = record_queue_end(queue);
	spool_close(spool);
	records = record_queue_counters(queue)->records;
	record_queue_close(queue);
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	if (records != want)
		errx(1, "%llu of %llu records were written", (unsigned long long)records,
		     (unsigned long long)want);
	return (double)want / seconds;
}

int main(int argc, char **argv)
{
	double lines[ROUNDS_MAX], files[ROUNDS_MAX];
	unsigned long rounds = 7;
	int option;

	while ((option = getopt(argc, argv, "r:")) != -1)
		rounds = option == 'r' ? strtoul(optarg, NULL, 10) : 0;
	if (rounds < 1 || rounds > ROUNDS_MAX || optind + 1 != argc)
		errx(2, "usage: bench_accesslog [-r 1-%d] DIRECTORY-FOR-FILES", ROUNDS_MAX);
	fill_pool();
	for (unsigned long i = 0; i < rounds; i++) {
		lines[i] = format_and_gzip();
		files[i] = queue_to_file(argv[optind]);
	}
	for (int which = 0; which < 2; which++) {
		printf("{\"case\": \"%s\", \"metric\": \"records_per_second\", \"unit\": \"1/s\", "
		       "\"values\": [",
		       which == 0 ? "format_and_gzip" : "queue_to_file");
		for (unsigned long i = 0; i < rounds; i++)
			printf("%s%.0f", i > 0 ? ", " : "", which == 0 ? lines[i] : files[i]);
		puts("]}");
	}
	return 0;
}
