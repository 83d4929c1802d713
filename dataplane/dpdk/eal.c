/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* fopencookie(), CPU sets */
#include "eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_pci.h>

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ARGUMENTS (24 + ENGINE_MAX_INTERFACES * 2 + ENGINE_MAX_EAL)
#define ARGUMENT_BYTES 4096 /* the list of all CPUs of a large machine */
#define EAL_OVERHEAD_MIB 64 /* beside the packets: rings, devices, heap */
#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"
#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages" /* of 2 MiB each, as x86 has them */

struct arguments {
	char *list[MAX_ARGUMENTS + 1];
	int n;
	bool failed;
};

static void add(struct arguments *arguments, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add(struct arguments *arguments, const char *format, ...)
{
	char text[ARGUMENT_BYTES];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	arguments->list[arguments->n] = strdup(text);
	if (arguments->list[arguments->n] == NULL)
		arguments->failed = true;
	else
		arguments->n++;
}

/* --- what DPDK logs ------------------------------------------------------- */

static ssize_t log_write(void *cookie, const char *text, size_t bytes)
{
	struct eal *eal = cookie;
	size_t line = bytes > 0 && text[bytes - 1] == '\n' ? bytes - 1 : bytes;

	if (line > 0)
		snprintf(eal->last, sizeof(eal->last), "%.*s", (int)line, text);
	return write(STDERR_FILENO, text, bytes);
}

static int open_log(struct eal *eal)
{
	const cookie_io_functions_t functions = {.write = log_write};

	eal->log = fopencookie(eal, "w", functions);
	if (eal->log == NULL)
		return -ENOMEM;
	setlinebuf(eal->log);
	rte_log_set_global_level(RTE_LOG_NOTICE);
	return rte_openlog_stream(eal->log);
}

/* --- CPUs ----------------------------------------------------------------- */

static int last_cpu(const cpu_set_t *allowed)
{
	for (int cpu = CPU_SETSIZE - 1; cpu > 0; cpu--)
		if (CPU_ISSET(cpu, allowed))
			return cpu;
	return 0;
}

static int choose_workers(struct eal *eal, const struct engine_dpdk *settings,
			  const cpu_set_t *allowed, char error[ENGINE_ERROR_MAX])
{
	eal->n_workers = settings->n_workers;
	memcpy(eal->workers, settings->workers, sizeof(eal->workers));
	if (eal->n_workers == 0)
		eal->workers[eal->n_workers++] = (uint32_t)last_cpu(allowed);
	for (unsigned int i = 0; i < eal->n_workers; i++) {
		uint32_t cpu = eal->workers[i];

		if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, allowed))
			continue;
		snprintf(error, ENGINE_ERROR_MAX,
			 "engine.dpdk.workers[%u] is %u; this process may use %d CPUs, the last of "
			 "them is %d",
			 i, cpu, CPU_COUNT(allowed), last_cpu(allowed));
		return -EINVAL;
	}
	return 0;
}

/* Ours is lcore 0, on all the CPUs it had; worker i is lcore i + 1 on its CPU. */
static void add_lcores(struct arguments *arguments, const struct eal *eal, const cpu_set_t *allowed)
{
	char text[ARGUMENT_BYTES];
	int len = snprintf(text, sizeof(text), "--lcores=0@(");
	const char *comma = "";

	for (int cpu = 0; cpu < CPU_SETSIZE && len < ARGUMENT_BYTES / 2; cpu++) {
		if (!CPU_ISSET(cpu, allowed))
			continue;
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%d", comma, cpu);
		comma = ",";
	}
	len += snprintf(text + len, sizeof(text) - (size_t)len, ")");
	for (unsigned int i = 0; i < eal->n_workers; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, ",%u@%u", i + 1,
				eal->workers[i]);
	add(arguments, "%s", text);
	add(arguments, "--main-lcore=0");
}

/* --- huge pages ----------------------------------------------------------- */

static uint64_t free_bytes_of(const char *size_dir)
{
	unsigned long long kib = 0, pages = 0;
	char path[512];
	FILE *file;

	if (sscanf(size_dir, "hugepages-%llukB", &kib) != 1)
		return 0;
	snprintf(path, sizeof(path), HUGEPAGES_DIR "/%.200s/free_hugepages", size_dir);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fscanf(file, "%llu", &pages) != 1)
		pages = 0;
	fclose(file);
	return kib * 1024 * pages;
}

static uint64_t free_hugepage_bytes(void)
{
	DIR *dir = opendir(HUGEPAGES_DIR);
	const struct dirent *entry;
	uint64_t bytes = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		bytes += free_bytes_of(entry->d_name);
	closedir(dir);
	return bytes;
}

static int choose_memory(struct eal *eal, const struct engine_dpdk *settings, uint32_t memory_mib,
			 char error[ENGINE_ERROR_MAX])
{
	uint64_t free_mib = free_hugepage_bytes() >> 20, missing_mib;

	eal->hugepages = settings->hugepages != ENGINE_HUGEPAGES_OFF &&
			 free_mib >= memory_mib + EAL_OVERHEAD_MIB;
	if (eal->hugepages || settings->hugepages != ENGINE_HUGEPAGES_ON)
		return 0;
	missing_mib = memory_mib + EAL_OVERHEAD_MIB - free_mib;
	snprintf(error, ENGINE_ERROR_MAX,
		 "engine.dpdk.hugepages is \"on\", and %llu MiB of huge pages are missing; run "
		 "`echo $(($(cat " NR_HUGEPAGES ") + %llu)) >" NR_HUGEPAGES "`",
		 (unsigned long long)missing_mib, (unsigned long long)(missing_mib + 1) / 2);
	return -ENOMEM;
}

/* --- start and stop ------------------------------------------------------- */

bool eal_is_pci(const char *device)
{
	struct rte_pci_addr address;
	char name[ENGINE_DEVICE_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(device, ","), device);
	return rte_pci_addr_parse(name, &address) == 0;
}

static void add_devices(struct arguments *arguments, const struct engine_dpdk *settings)
{
	bool pci = false;

	for (unsigned int i = 0; i < settings->n_ports; i++) {
		if (!eal_is_pci(settings->ports[i].device))
			continue;
		add(arguments, "--allow=%s", settings->ports[i].device);
		pci = true;
	}
	if (!pci)
		add(arguments, "--no-pci");
}

static void add_all(struct arguments *arguments, const struct eal *eal,
		    const struct engine_dpdk *settings, const cpu_set_t *allowed,
		    uint32_t memory_mib)
{
	add(arguments, "sluiced");
	if (eal->hugepages) {
		add(arguments, "--in-memory");
	} else {
		add(arguments, "--no-huge");
		add(arguments, "--no-shconf");
		add(arguments, "-m");
		/* the heap needs room to place the pool in: what stays empty is never touched */
		add(arguments, "%u", 2 * memory_mib + EAL_OVERHEAD_MIB);
	}
	add(arguments, "--no-telemetry");
	add(arguments, "--file-prefix=sluice-%d", (int)getpid());
	add_lcores(arguments, eal, allowed);
	add_devices(arguments, settings);
	for (unsigned int i = 0; i < settings->n_eal; i++)
		add(arguments, "%s", settings->eal[i]);
}

/* DPDK makes a folder for sockets and files that it is told not to make. */
static void remove_runtime_dir(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s", rte_eal_get_runtime_dir());
	if (rmdir(path) == 0)
		rmdir(dirname(path));
}

int eal_start(struct eal *eal, const struct engine_config *config, uint32_t memory_mib,
	      char error[ENGINE_ERROR_MAX])
{
	struct arguments arguments = {};
	char *copy[MAX_ARGUMENTS + 1];
	cpu_set_t allowed;
	int r;

	memset(eal, 0, sizeof(*eal));
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		snprintf(error, ENGINE_ERROR_MAX, "sched_getaffinity: %s", strerror(errno));
		return -errno;
	}
	r = choose_workers(eal, &config->dpdk, &allowed, error);
	if (r == 0)
		r = choose_memory(eal, &config->dpdk, memory_mib, error);
	if (r == 0)
		r = open_log(eal);
	if (r < 0)
		return r;
	/* libxdp would pin what it has no use for, and no other program shares our devices */
	setenv("LIBXDP_SKIP_DISPATCHER", "1", 0);
	add_all(&arguments, eal, &config->dpdk, &allowed, memory_mib);
	memcpy(copy, arguments.list, sizeof(copy)); /* DPDK reorders its own */
	r = arguments.failed ? -ENOMEM : rte_eal_init(arguments.n, arguments.list);
	if (r < 0) {
		r = arguments.failed || rte_errno == 0 ? -ENOMEM : -rte_errno;
		snprintf(error, ENGINE_ERROR_MAX, "DPDK does not start: %s (%s)", eal->last,
			 strerror(-r));
	} else {
		eal->started = true;
		remove_runtime_dir();
		sched_setaffinity(0, sizeof(allowed), &allowed);
		r = 0;
	}
	for (int i = 0; i < arguments.n; i++)
		free(copy[i]);
	return r;
}

void eal_stop(struct eal *eal)
{
	if (eal->started)
		rte_eal_cleanup();
	eal->started = false;
	if (eal->log == NULL)
		return;
	rte_openlog_stream(NULL);
	fclose(eal->log);
	eal->log = NULL;
}
