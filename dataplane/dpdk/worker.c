/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker.h"

#include <rte_epoll.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>
#include <rte_prefetch.h>
#include <rte_ring.h>
#include <urcu-qsbr.h>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define BUSY_ROUNDS 256	     /* rounds without packets before a worker rests */
#define SLEEP_MIN_NS 10000   /* 10 us */
#define SLEEP_MAX_NS 250000  /* 250 us: what a packet may wait for, and the cost of rest */
#define INTERRUPT_WAIT_MS 10 /* then look anyway: stop may be set */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); /* no system call: the kernel's vDSO */
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- sending -------------------------------------------------------------- */

static void flush(const struct worker *worker, struct worker_port *port)
{
	uint16_t sent;

	if (port->n_tx == 0)
		return;
	sent = rte_eth_tx_burst(port->device, (uint16_t)worker->number, port->tx,
				(uint16_t)port->n_tx);
	if (unlikely(sent < port->n_tx)) {
		port->counters.tx_dropped += port->n_tx - sent;
		rte_pktmbuf_free_bulk(port->tx + sent, port->n_tx - sent);
	}
	port->n_tx = 0;
}

static void send_by(const struct worker *worker, struct worker_port *port, struct rte_mbuf *mbuf)
{
	port->tx[port->n_tx++] = mbuf;
	if (port->n_tx == WORKER_TX_ROOM)
		flush(worker, port);
}

/* --- the kernel's --------------------------------------------------------- */

static void give_to_kernel(struct worker *worker, struct worker_port *port, struct rte_mbuf *mbuf)
{
	bool vital = gate_is_vital(rte_pktmbuf_mtod(mbuf, unsigned char *), mbuf->data_len);

	if (!gate_admits(&port->gate, worker->tables.now_ns, vital)) {
		port->counters.kernel_limited++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	mbuf->port = (uint16_t)(port - worker->ports);
	if (rte_ring_sp_enqueue(worker->to_kernel, mbuf) != 0) {
		port->counters.kernel_overflow++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	port->counters.kernel_packets++;
}

static unsigned int send_of_kernel(struct worker *worker)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	unsigned int n;

	if (worker->from_kernel == NULL)
		return 0;
	n = rte_ring_sc_dequeue_burst(worker->from_kernel, (void **)mbufs, BURST_MAX, NULL);
	for (unsigned int i = 0; i < n; i++)
		send_by(worker, &worker->ports[mbufs[i]->port], mbufs[i]);
	return n;
}

/* --- receiving ------------------------------------------------------------ */

/* Frames beyond the MTU that a device chained: nothing that the path can rewrite. */
static unsigned int drop_segmented(struct worker_port *port, struct rte_mbuf **mbufs,
				   unsigned int n)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (likely(mbufs[i]->nb_segs == 1)) {
			mbufs[kept++] = mbufs[i];
			continue;
		}
		port->counters.segmented++;
		rte_pktmbuf_free(mbufs[i]);
	}
	return kept;
}

static unsigned int receive(struct worker *worker, struct worker_port *port)
{
	struct rte_mbuf *mbufs[BURST_MAX];
	int verdicts[BURST_MAX];
	unsigned int received, n;

	received = rte_eth_rx_burst(port->device, (uint16_t)worker->number, mbufs, BURST_MAX);
	if (received == 0)
		return 0;
	n = drop_segmented(port, mbufs, received);
	worker->tables.now_ns = now_ns();
	burst_handle(&worker->tables, port->ifindex, mbufs, n, verdicts);
	for (unsigned int i = 0; i < n; i++) {
		if (likely(SL_VERDICT(verdicts[i]) == SL_SEND))
			send_by(worker,
				&worker->ports[worker->port_of[SL_VERDICT_PORT(verdicts[i])]],
				mbufs[i]);
		else if (SL_VERDICT(verdicts[i]) == SL_PASS)
			give_to_kernel(worker, port, mbufs[i]);
		else
			rte_pktmbuf_free(mbufs[i]);
	}
	return received;
}

static unsigned int handle_round(struct worker *worker)
{
	unsigned int n = send_of_kernel(worker);

	for (unsigned int i = 0; i < worker->n_ports; i++)
		n += receive(worker, &worker->ports[i]);
	if (n != 0)
		for (unsigned int i = 0; i < worker->n_ports; i++)
			flush(worker, &worker->ports[i]);
	return n;
}

/* --- resting -------------------------------------------------------------- */

static void sleep_a_while(const struct worker *worker)
{
	unsigned int doublings = (worker->empty_rounds - BUSY_ROUNDS) / 8;
	long ns = doublings < 5 ? SLEEP_MIN_NS << doublings : SLEEP_MAX_NS;
	struct timespec pause = {.tv_nsec = ns < SLEEP_MAX_NS ? ns : SLEEP_MAX_NS};

	rcu_thread_offline();
	nanosleep(&pause, NULL);
	rcu_thread_online();
}

static void interrupts_enable(const struct worker *worker, bool enable)
{
	for (unsigned int i = 0; i < worker->n_ports; i++) {
		if (enable)
			rte_eth_dev_rx_intr_enable(worker->ports[i].device,
						   (uint16_t)worker->number);
		else
			rte_eth_dev_rx_intr_disable(worker->ports[i].device,
						    (uint16_t)worker->number);
	}
}

static void wait_for_interrupt(struct worker *worker)
{
	struct rte_epoll_event events[ENGINE_MAX_INTERFACES + 1];
	uint64_t wakes;

	interrupts_enable(worker, true);
	/* what came before that raises no interrupt any more */
	if (handle_round(worker) == 0) {
		rcu_thread_offline();
		rte_epoll_wait(RTE_EPOLL_PER_THREAD, events, ENGINE_MAX_INTERFACES + 1,
			       INTERRUPT_WAIT_MS);
		rcu_thread_online();
		if (read(worker->wake_fd, &wakes, sizeof(wakes)) > 0)
			worker->empty_rounds = 0;
	}
	interrupts_enable(worker, false);
}

static void rest(struct worker *worker)
{
	if (++worker->empty_rounds < BUSY_ROUNDS || worker->idle == ENGINE_IDLE_POLL)
		rte_pause();
	else if (worker->idle == ENGINE_IDLE_SLEEP)
		sleep_a_while(worker);
	else
		wait_for_interrupt(worker);
}

/* The device answered at the start that it has interrupts: see backend_dpdk.c. */
static void listen_for_interrupts(const struct worker *worker)
{
	struct rte_epoll_event wake = {.epdata = {.event = EPOLLIN}};

	for (unsigned int i = 0; i < worker->n_ports; i++)
		rte_eth_dev_rx_intr_ctl_q(worker->ports[i].device, (uint16_t)worker->number,
					  RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL);
	rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, worker->wake_fd, &wake);
}

int worker_run(void *argument)
{
	struct worker *worker = argument;

	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul); /* or short sleeps take 50 us more */
	if (worker->idle == ENGINE_IDLE_INTERRUPT)
		listen_for_interrupts(worker);
	rcu_register_thread();
	while (!atomic_load_explicit(worker->stop, memory_order_relaxed)) {
		if (handle_round(worker) == 0)
			rest(worker);
		else
			worker->empty_rounds = 0;
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return 0;
}
