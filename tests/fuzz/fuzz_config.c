/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a config: refused with a text, or a config that keeps its own promises. */
#include "control/config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_zone(const struct config *config, unsigned int z)
{
	const struct config_zone *zone = &config->zones[z];
	unsigned int i;

	require(zone->name[0] != '\0' && zone->subnet_id[0] != '\0' && zone->interface[0] != '\0');
	require(zone->n_vip_pool >= 1 && zone->n_vip_pool <= CONFIG_MAX_VIP_RANGES);
	require(zone->n_cidrs <= CONFIG_MAX_TARGET_CIDRS && zone->n_snat <= ENGINE_MAX_SNAT);
	for (i = 0; i < zone->n_snat; i++)
		require(!address_prefix_contains(&zone->vip_pool[0], &zone->snat[i]));
	require(strcmp(config->engine.zones[z].interface, zone->interface) == 0);
	require(config->engine.zones[z].n_snat == zone->n_snat);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[CONFIG_ERROR_MAX] = "";
	struct config *config = NULL;
	unsigned int z;

	if (config_parse("fuzz", (const char *)data, size, &config, error) < 0) {
		require(strncmp(error, "fuzz: ", 6) == 0 && strlen(error) > 6);
		return 0;
	}
	require(config->n_zones >= 1 && config->n_zones <= ENGINE_MAX_ZONES);
	require(config->engine.n_zones == config->n_zones);
	require(config->engine.n_interfaces >= 1 &&
		config->engine.n_interfaces <= ENGINE_MAX_INTERFACES);
	require(config->engine.snat_port_min >= 1024 &&
		config->engine.snat_port_min <= config->engine.snat_port_max);
	require(config->health_port_max < config->engine.snat_port_min ||
		config->health_port_min > config->engine.snat_port_max);
	require((config->engine.kind == ENGINE_DPDK) == (config->engine.dpdk.n_ports != 0));
	require(config->engine.dpdk.n_ports <= ENGINE_MAX_INTERFACES);
	for (z = 0; z < config->engine.dpdk.n_ports; z++)
		require(config->engine.dpdk.ports[z].mtu >= 1280 &&
			config->engine.dpdk.ports[z].mtu <= 9000 &&
			config->engine.dpdk.ports[z].n_addresses <= ENGINE_MAX_PORT_ADDRESSES);
	require(config->socket_path[0] == '/' && config->store_path[0] == '/');
	for (z = 0; z < config->n_zones; z++)
		check_zone(config, z);
	config_free(config);
	return 0;
}
