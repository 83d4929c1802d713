/* SPDX-License-Identifier: BSD-3-Clause */
#include "device.h"

#include "eal.h"

#include "dataplane/interface.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 1024     /* of a queue, where the device does not want others */
#define MBUFS_PER_QUEUE 8192 /* in both directions' descriptors, bursts, caches and rings */
#define MBUF_CACHE 256	     /* mbufs a worker keeps to itself */
#define MBUF_OVERHEAD 320    /* struct rte_mbuf, its mempool header, and alignment */
#define TAGS_BYTES (2 * RTE_VLAN_HLEN)
#define RSS_WANTED (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP)
#define TX_OFFLOADS_WANTED RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE
#define RX_OFFLOADS_WANTED RTE_ETH_RX_OFFLOAD_RSS_HASH

bool device_is_virtual(const char *name)
{
	return !eal_is_pci(name);
}

/* --- memory --------------------------------------------------------------- */

static uint32_t frame_room(const struct engine_dpdk *settings)
{
	uint32_t mtu = 0;

	for (unsigned int i = 0; i < settings->n_ports; i++)
		mtu = settings->ports[i].mtu > mtu ? settings->ports[i].mtu : mtu;
	mtu += RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + TAGS_BYTES;
	return RTE_PKTMBUF_HEADROOM + (mtu > RTE_MBUF_DEFAULT_DATAROOM ? RTE_ALIGN_CEIL(mtu, 128)
								       : RTE_MBUF_DEFAULT_DATAROOM);
}

uint32_t device_memory_mib(const struct engine_dpdk *settings, unsigned int n_workers,
			   uint32_t *ret_mbufs)
{
	uint64_t bytes = frame_room(settings) + MBUF_OVERHEAD;
	uint64_t mbufs = (uint64_t)MBUFS_PER_QUEUE * settings->n_ports * n_workers;

	if (settings->memory_mib != 0)
		mbufs = ((uint64_t)settings->memory_mib << 20) / bytes;
	*ret_mbufs = (uint32_t)mbufs;
	return (uint32_t)((mbufs * bytes + (1 << 20) - 1) >> 20);
}

/* Buffers cross pages, but not where a device on the bus is told physical addresses. So they lie
 * without gaps: net_af_xdp gives the kernel no more of the pool than the bytes of all buffers, and
 * what it sends from behind that never leaves. */
static unsigned int pool_flags(const struct engine_dpdk *settings)
{
	bool physical = false;

	for (unsigned int i = 0; i < settings->n_ports; i++)
		physical = physical || !device_is_virtual(settings->ports[i].device);
	return physical && rte_eal_iova_mode() == RTE_IOVA_PA ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
}

struct rte_mempool *device_pool(const struct engine_dpdk *settings, uint32_t mbufs)
{
	struct rte_pktmbuf_pool_private layout = {.mbuf_data_room_size =
							  (uint16_t)frame_room(settings)};
	struct rte_mempool *pool;
	int r;

	pool = rte_mempool_create_empty(
		"sluice", mbufs, sizeof(struct rte_mbuf) + layout.mbuf_data_room_size, MBUF_CACHE,
		sizeof(layout), SOCKET_ID_ANY, pool_flags(settings));
	if (pool == NULL)
		return NULL;
	/* the service thread may be put aside by a worker in the middle of an operation:
	 * "rts" lets others go on meanwhile */
	r = rte_mempool_set_ops_byname(pool, "ring_mt_rts", NULL);
	if (r == 0) {
		rte_pktmbuf_pool_init(pool, &layout);
		r = rte_mempool_populate_default(pool);
	}
	if (r < 0) {
		rte_mempool_free(pool);
		rte_errno = -r;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

/* --- opening -------------------------------------------------------------- */

static int find(const struct engine_dpdk_port *settings, const char *what, uint16_t *ret_id,
		char error[ENGINE_ERROR_MAX])
{
	struct rte_dev_iterator iterator;
	uint16_t id;

	/* those on the bus were found at the start */
	if (eal_is_pci(settings->device) || rte_dev_probe(settings->device) == 0) {
		RTE_ETH_FOREACH_MATCHING_DEV(id, settings->device, &iterator)
		{
			rte_eth_iterator_cleanup(&iterator);
			*ret_id = id;
			return 0;
		}
	}
	snprintf(error, ENGINE_ERROR_MAX,
		 "%s.device: DPDK finds no port '%.100s'; what it logged before says more", what,
		 settings->device);
	return -ENODEV;
}

static int check_queues(const struct engine_dpdk_port *settings,
			const struct rte_eth_dev_info *info, const char *what,
			unsigned int n_queues, char error[ENGINE_ERROR_MAX])
{
	unsigned int queues = info->max_rx_queues < info->max_tx_queues ? info->max_rx_queues
									: info->max_tx_queues;

	if (queues >= n_queues)
		return 0;
	snprintf(error, ENGINE_ERROR_MAX,
		 "%s.device '%.80s' has %u queue%s, and each of the %u workers needs one; name "
		 "fewer workers%s",
		 what, settings->device, queues, queues == 1 ? "" : "s", n_queues,
		 device_is_virtual(settings->device)
			 ? " or give the device more (af_xdp: queue_count=N, af_packet: qpairs=N)"
			 : "");
	return -EINVAL;
}

static int check_mtu(const struct device *device, const struct engine_dpdk_port *settings,
		     const struct rte_eth_dev_info *info, const char *what,
		     char error[ENGINE_ERROR_MAX])
{
	struct interface link;

	if (settings->mtu > info->max_mtu) {
		snprintf(error, ENGINE_ERROR_MAX,
			 "%s.mtu is %u; the device '%.80s' allows at most %u", what, settings->mtu,
			 settings->device, info->max_mtu);
		return -EINVAL;
	}
	if (device->kernel_name[0] == '\0' || interface_describe(device->kernel_name, &link) != 0 ||
	    settings->mtu <= link.mtu)
		return 0;
	snprintf(error, ENGINE_ERROR_MAX,
		 "%s.mtu is %u, and the MTU of %s is %u; raise it with `ip link set %s mtu %u`",
		 what, settings->mtu, device->kernel_name, link.mtu, device->kernel_name,
		 settings->mtu);
	return -EINVAL;
}

/* Drivers on top of an interface of the kernel take what that takes, and declare 1500. */
static uint32_t mtu_to_declare(const struct device *device, const struct rte_eth_dev_info *info)
{
	uint32_t largest = info->max_rx_pktlen - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN;

	return device->kernel_name[0] != '\0' && device->mtu > largest ? largest : device->mtu;
}

static int configure(struct device *device, const struct rte_eth_dev_info *info, bool interrupts)
{
	struct rte_eth_conf conf = {
		.rxmode.mtu = mtu_to_declare(device, info),
		.rxmode.offloads = info->rx_offload_capa & RX_OFFLOADS_WANTED,
		.txmode.offloads = info->tx_offload_capa & TX_OFFLOADS_WANTED,
		.intr_conf.rxq = interrupts,
	};
	uint64_t rss = info->flow_type_rss_offloads & RSS_WANTED;

	if (device->queues > 1 && rss != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = rss;
	} else {
		conf.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	device->rx_offloads = conf.rxmode.offloads;
	device->tx_offloads = conf.txmode.offloads;
	return rte_eth_dev_configure(device->id, device->queues, device->queues, &conf);
}

static int set_queues_up(const struct device *device, struct rte_mempool *pool)
{
	int socket = rte_eth_dev_socket_id(device->id);
	uint16_t received = DESCRIPTORS, sent = DESCRIPTORS;
	int r = rte_eth_dev_adjust_nb_rx_tx_desc(device->id, &received, &sent);

	for (uint16_t queue = 0; r == 0 && queue < device->queues; queue++) {
		r = rte_eth_rx_queue_setup(device->id, queue, received, (unsigned int)socket, NULL,
					   pool);
		if (r == 0)
			r = rte_eth_tx_queue_setup(device->id, queue, sent, (unsigned int)socket,
						   NULL);
	}
	return r;
}

/*
 * The kernel may see the packets of a device that is driven through one of its
 * interfaces: af_packet's always, af_xdp's while nobody holds the device. The
 * VIPs are addresses of this machine, so it would answer the balancer's flows
 * with RSTs. A strict check of the way back drops them, and ARP, for the way
 * leads by the tap.
 */
static int hide_from_kernel(const struct device *device)
{
	int r = interface_set_sysctl(device->kernel_name, AF_INET, "rp_filter", 1);

	if (r == 0)
		r = interface_set_sysctl(device->kernel_name, AF_INET6, "disable_ipv6", 1);
	return r == -ENOENT ? 0 : r; /* no IPv6 */
}

/* ND comes by multicast, to groups that the device is not told of. */
static void accept_multicast(const struct device *device)
{
	if (rte_eth_allmulticast_enable(device->id) != 0)
		rte_eth_promiscuous_enable(device->id); /* or neither: it filters nothing then */
}

int device_open(const struct engine_dpdk_port *settings, const char *what, unsigned int n_queues,
		bool interrupts, struct rte_mempool *pool, struct device *ret_device,
		char error[ENGINE_ERROR_MAX])
{
	struct device *device = ret_device;
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int r;

	memset(device, 0, sizeof(*device));
	device->id = DEVICE_NONE;
	device->queues = (uint16_t)n_queues;
	device->mtu = settings->mtu;
	r = find(settings, what, &device->id, error);
	if (r < 0)
		return r;
	r = rte_eth_dev_info_get(device->id, &info);
	if (r == 0)
		r = rte_eth_macaddr_get(device->id, &mac);
	if (r < 0)
		goto fail;
	snprintf(device->driver, sizeof(device->driver), "%s", info.driver_name);
	if (info.if_index == 0 || if_indextoname(info.if_index, device->kernel_name) == NULL)
		device->kernel_name[0] = '\0';
	memcpy(device->mac, mac.addr_bytes, sizeof(device->mac));
	r = check_queues(settings, &info, what, n_queues, error);
	if (r == 0)
		r = check_mtu(device, settings, &info, what, error);
	if (r < 0)
		return r;
	r = configure(device, &info, interrupts);
	if (r == 0)
		r = set_queues_up(device, pool);
	if (r == 0 && device_is_virtual(settings->device) && device->kernel_name[0] != '\0')
		r = hide_from_kernel(device);
	if (r == 0)
		return 0;
fail:
	snprintf(error, ENGINE_ERROR_MAX, "%s.device '%.80s' cannot be configured: %s", what,
		 settings->device, strerror(-r));
	return r;
}

int device_start(struct device *device)
{
	int r = rte_eth_dev_start(device->id);

	if (r < 0)
		return r;
	device->started = true;
	accept_multicast(device);
	return 0;
}

bool device_has_interrupts(const struct device *device)
{
	for (uint16_t queue = 0; queue < device->queues; queue++)
		if (rte_eth_dev_rx_intr_ctl_q_get_fd(device->id, queue) < 0)
			return false;
	return true;
}

void device_close(struct device *device)
{
	if (device->id == DEVICE_NONE)
		return;
	if (device->started)
		rte_eth_dev_stop(device->id);
	rte_eth_dev_close(device->id);
	device->id = DEVICE_NONE;
	device->started = false;
}

/* --- what it tells -------------------------------------------------------- */

static bool interface_runs(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {0};
	bool runs;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	runs = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 &&
	       (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & IFF_RUNNING) != 0;
	if (fd >= 0)
		close(fd);
	return runs;
}

/* Drivers on top of an interface of the kernel do not see that it goes down. */
bool device_link_is_up(const struct device *device)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(device->id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP &&
	       (device->kernel_name[0] == '\0' || interface_runs(device->kernel_name));
}

static void name_offloads(const struct device *device, char *text, size_t room)
{
	size_t len = 0;

	text[0] = '\0';
	for (int bit = 0; bit < 64 && len < room; bit++) {
		uint64_t one = 1ull << bit;

		if (device->rx_offloads & one)
			len += (size_t)snprintf(text + len, room - len, "%srx %s",
						len != 0 ? ", " : "",
						rte_eth_dev_rx_offload_name(one));
		if (len < room && device->tx_offloads & one)
			len += (size_t)snprintf(text + len, room - len, "%stx %s",
						len != 0 ? ", " : "",
						rte_eth_dev_tx_offload_name(one));
	}
	if (len == 0)
		snprintf(text, room, "none");
}

void device_describe(const struct device *device, struct engine_device *ret_device)
{
	struct rte_eth_stats stats = {};

	snprintf(ret_device->driver, sizeof(ret_device->driver), "%s", device->driver);
	name_offloads(device, ret_device->offloads, sizeof(ret_device->offloads));
	ret_device->queues = device->queues;
	ret_device->mtu = device->mtu;
	ret_device->up = device_link_is_up(device);
	if (rte_eth_stats_get(device->id, &stats) != 0)
		return;
	ret_device->received = stats.ipackets;
	ret_device->sent = stats.opackets;
	ret_device->missed = stats.imissed + stats.ierrors + stats.rx_nombuf;
}
