/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE /* epoll_pwait2() */
#include "service.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define SWEEP_PERIOD_NS 20000000ull /* 20 ms; as the timer of the xdp engine: bpf/sl_xdp.bpf.c */
#define SWEEP_STEPS 250		    /* periods for one sweep of the whole table: 5 s */
#define LINK_PERIOD_NS 100000000ull /* 100 ms */
#define WAIT_MIN_NS 50000	    /* 50 us: how long a packet to the kernel may wait … */
#define WAIT_MAX_NS 1000000	    /* … and 1 ms after a while without */
#define FRAMES_A_TURN 64	    /* of one tap, and of one worker */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void wake(int fd)
{
	const uint64_t one = 1;

	/* a full counter wakes, too */
	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

/* --- packets -------------------------------------------------------------- */

static unsigned int move_to_kernel(struct service *service, struct rte_ring *ring)
{
	struct rte_mbuf *mbufs[FRAMES_A_TURN];
	unsigned int n = rte_ring_sc_dequeue_burst(ring, (void **)mbufs, FRAMES_A_TURN, NULL);

	for (unsigned int i = 0; i < n; i++) {
		struct service_port *port = &service->ports[mbufs[i]->port];

		if (tap_write(port->tap, rte_pktmbuf_mtod(mbufs[i], void *), mbufs[i]->data_len) !=
		    0)
			port->counters.to_kernel_dropped++;
	}
	rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

/* One frame of a tap; false when there is none. */
static bool take_frame(struct service *service, unsigned int number)
{
	struct service_port *port = &service->ports[number];
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(service->pool);
	unsigned char unwanted;
	ssize_t bytes;

	if (mbuf == NULL) {
		if (tap_read(port->tap, &unwanted, sizeof(unwanted)) <= 0)
			return false;
		port->counters.from_kernel_dropped++;
		return true;
	}
	bytes = tap_read(port->tap, rte_pktmbuf_mtod(mbuf, void *), rte_pktmbuf_tailroom(mbuf));
	if (bytes <= 0) {
		rte_pktmbuf_free(mbuf);
		return false;
	}
	mbuf->data_len = (uint16_t)bytes;
	mbuf->pkt_len = mbuf->data_len;
	mbuf->port = (uint16_t)number;
	port->counters.from_kernel++;
	rte_ring_sp_enqueue(service->from_kernel, mbuf); /* there is room: move_from_kernel() */
	return true;
}

/* What the workers have no room for stays in the tap, which tells its senders when it is full. */
static unsigned int move_from_kernel(struct service *service, unsigned int number)
{
	unsigned int room = rte_ring_free_count(service->from_kernel), n = 0;

	while (n < FRAMES_A_TURN && n < room && take_frame(service, number))
		n++;
	return n;
}

/* --- the rest ------------------------------------------------------------- */

static void sweep(struct service *service, uint64_t now)
{
	service->tables.now_ns = now;
	for (int v6 = 0; v6 <= 1; v6++) {
		uint32_t fresh = SL_READ(service->tables.pools[v6].fresh);

		if (fresh != 0)
			sl_flow_sweep(&service->tables, (uint32_t)v6, fresh / SWEEP_STEPS + 1);
	}
}

static void follow_links(struct service *service)
{
	for (unsigned int i = 0; i < service->n_ports; i++) {
		struct service_port *port = &service->ports[i];
		bool up = device_link_is_up(port->device);

		if (up != port->up && tap_set_carrier(port->tap, up) == 0)
			port->up = up;
	}
}

static bool any_record_waits(const struct service *service)
{
	bool waits = records_wait(&service->records);

	for (unsigned int i = 0; !waits && i < service->n_workers; i++)
		waits = records_wait(&service->workers[i].records);
	return waits;
}

static unsigned int wait_for_frames(struct service *service, long wait_ns)
{
	struct epoll_event events[ENGINE_MAX_INTERFACES];
	struct timespec timeout = {.tv_nsec = wait_ns};
	unsigned int moved = 0;
	int n;

	n = epoll_pwait2(service->epoll_fd, events, ENGINE_MAX_INTERFACES, &timeout, NULL);
	for (int i = 0; i < n; i++)
		moved += move_from_kernel(service, events[i].data.u32);
	if (moved != 0)
		wake(service->wake_fd);
	return moved;
}

static void *run(void *argument)
{
	struct service *service = argument;
	uint64_t next_sweep = 0, next_links = 0;
	long wait_ns = WAIT_MIN_NS;

	while (!atomic_load_explicit(service->stop, memory_order_relaxed)) {
		unsigned int moved = wait_for_frames(service, wait_ns);
		uint64_t now = now_ns();

		for (unsigned int i = 0; i < service->n_workers; i++)
			moved += move_to_kernel(service, service->workers[i].to_kernel);
		wait_ns = moved != 0 ? WAIT_MIN_NS : wait_ns + wait_ns / 4;
		if (wait_ns > WAIT_MAX_NS)
			wait_ns = WAIT_MAX_NS;
		if (now >= next_sweep) {
			next_sweep = now + SWEEP_PERIOD_NS;
			sweep(service, now);
			if (any_record_waits(service))
				wake(service->records_fd);
		}
		if (now >= next_links) {
			next_links = now + LINK_PERIOD_NS;
			follow_links(service);
		}
	}
	return NULL;
}

int service_start(struct service *service)
{
	int r;

	service->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (service->epoll_fd < 0)
		return -errno;
	for (unsigned int i = 0; i < service->n_ports; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		service->ports[i].up = true; /* as a tap that was opened */
		if (epoll_ctl(service->epoll_fd, EPOLL_CTL_ADD, service->ports[i].tap->fd,
			      &event) != 0)
			return -errno;
	}
	r = -pthread_create(&service->thread, NULL, run, service);
	service->runs = r == 0;
	return r;
}

void service_join(struct service *service)
{
	if (service->runs)
		pthread_join(service->thread, NULL);
	service->runs = false;
	if (service->epoll_fd >= 0)
		close(service->epoll_fd);
	service->epoll_fd = -1;
}
