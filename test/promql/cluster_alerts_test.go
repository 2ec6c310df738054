// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// clustersAlerts are those of clusters/rules.yaml.
var clustersAlerts = []alertWorld{
	{"CapomNodesWithoutAgent", "an agent that is replaced in five minutes", []string{
		`kube_node_status_condition{node="a",condition="Ready",status="true"} 1x60`,
		`kube_node_status_condition{node="b",condition="Ready",status="true"} 1x60`,
		`kube_daemonset_status_number_available{namespace="kube-system",daemonset="cilium"} 2x4 1x4 2x50`,
	}, never, never},
	{"CapomNodesWithoutAgent", "one of two agents that is gone for twenty minutes", []string{
		`kube_node_status_condition{node="a",condition="Ready",status="true"} 1x60`,
		`kube_node_status_condition{node="b",condition="Ready",status="true"} 1x60`,
		`kube_daemonset_status_number_available{namespace="kube-system",daemonset="cilium"} 2x4 1x19 2x35`,
	}, 15, 25},
	{"CapomNodesWithoutAgent", "a Cilium that is uninstalled", []string{
		`kube_node_status_condition{node="a",condition="Ready",status="true"} 1x60`,
		`kube_daemonset_status_number_available{namespace="kube-system",daemonset="cilium"} 1x4 stale _x55`,
	}, 15, 65},
	{"CapomEndpointUnanswered", "an address that another control plane takes over", []string{
		`up{job="control-plane-endpoint",instance="10.250.0.1:6443"} 1x4 0x1 1x50`,
	}, never, never},
	{"CapomEndpointUnanswered", "an address that nobody has for ten minutes", []string{
		`up{job="control-plane-endpoint",instance="10.250.0.1:6443"} 1x4 0x9 1x50`,
	}, 8, 15},

	{"CapomPathsRelayed", "a node whose first minute is relayed", []string{
		`tailscaled_outbound_bytes_total{node="a",path="derp"} 0 1e6x60`,
		`tailscaled_outbound_bytes_total{node="a",path="direct_ipv4"} 0x1 1e6+1e6x58`,
	}, never, never},
	{"CapomPathsRelayed", "a node of which a fifth is relayed", []string{
		`tailscaled_outbound_bytes_total{node="a",path="derp"} 0+1e6x60`,
		`tailscaled_outbound_bytes_total{node="a",path="direct_ipv4"} 0+4e6x60`,
	}, 16, 74},
	{"CapomPathsRelayed", "a node that another device relays for", []string{
		`tailscaled_outbound_bytes_total{node="a",path="peer_relay_ipv4"} 0+1e6x60`,
		`tailscaled_outbound_bytes_total{node="a",path="direct_ipv4"} 0x60`,
	}, 16, 74},
	{"CapomPathsLossy", "one ping in fifty that gets lost", []string{
		`cilium_node_health_connectivity_latency_seconds_bucket{node="a",type="node",protocol="icmp",le="8"} 0+49x60`,
		`cilium_node_health_connectivity_latency_seconds_count{node="a",type="node",protocol="icmp"} 0+50x60`,
	}, never, never},
	{"CapomPathsLossy", "one ping in ten that gets lost", []string{
		`cilium_node_health_connectivity_latency_seconds_bucket{node="a",type="node",protocol="icmp",le="8"} 0+9x60`,
		`cilium_node_health_connectivity_latency_seconds_count{node="a",type="node",protocol="icmp"} 0+10x60`,
	}, 16, 89},
	{"CapomPathsLossy", "a bucket that is scraped as a float", []string{
		`cilium_node_health_connectivity_latency_seconds_bucket{node="a",type="node",protocol="icmp",le="8.0"} 0+10x60`,
		`cilium_node_health_connectivity_latency_seconds_count{node="a",type="node",protocol="icmp"} 0+10x60`,
	}, never, never},
	{"CapomPacketsUnsent", "a packet every ten seconds", []string{
		`tailscaled_outbound_dropped_packets_total{node="a",reason="error"} 0+6x60`,
	}, never, never},
	{"CapomPacketsUnsent", "two packets a second", []string{
		`tailscaled_outbound_dropped_packets_total{node="a",reason="error"} 0+120x60`,
	}, 23, 68},
	{"CapomNodeMetricsMissing", "a node that starts anew", []string{`up{job="etcd",node="a"} 1x4 0x4 1x50`}, never, never},
	{"CapomNodeMetricsMissing", "a pod that cannot start for half an hour", []string{`up{job="tailscaled",node="a"} 1x4 0x29 1x50`}, 20, 35},

	{"CapomEtcdWithoutLeader", "an election", []string{`etcd_server_has_leader{node="a"} 1x4 0 1x50`}, never, never},
	{"CapomEtcdWithoutLeader", "a majority that is gone for ten minutes", []string{`etcd_server_has_leader{node="a"} 1x4 0x9 1x50`}, 6, 15},
	{"CapomEtcdRoundTripsSlow", "a member at 200 ms", []string{
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="0.1024"} 0x60`,
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="0.2048"} 0+2x60`,
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="0.4096"} 0+2x60`,
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="+Inf"} 0+2x60`,
	}, never, never},
	{"CapomEtcdRoundTripsSlow", "a member at 400 ms", []string{
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="0.1024"} 0x60`,
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="0.2048"} 0x60`,
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="0.4096"} 0+2x60`,
		`etcd_network_peer_round_trip_time_seconds_bucket{node="a",To="b",le="+Inf"} 0+2x60`,
	}, 16, 89},
	{"CapomEtcdFsyncSlow", "a disk that takes 60 ms", []string{
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="0.032"} 0x60`,
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="0.064"} 0+60x60`,
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="0.128"} 0+60x60`,
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="+Inf"} 0+60x60`,
	}, never, never},
	{"CapomEtcdFsyncSlow", "a disk of which a twentieth takes 120 ms", []string{
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="0.032"} 0+57x60`,
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="0.064"} 0+57x60`,
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="0.128"} 0+60x60`,
		`etcd_disk_wal_fsync_duration_seconds_bucket{node="a",le="+Inf"} 0+60x60`,
	}, 16, 69},
	{"CapomEtcdLeaderChanges", "three control planes replaced one after the other", []string{
		`etcd_server_leader_changes_seen_total{job="etcd",node="a"} 1x9 2x9 3x9 4x100`,
	}, never, never},
	{"CapomEtcdLeaderChanges", "a leader every ten minutes for an hour", []string{
		`etcd_server_leader_changes_seen_total{job="etcd",node="a"} 1x9 2x9 3x9 4x9 5x9 6x9 7x70`,
	}, 45, 89},
	{"CapomEtcdFull", "a database of half its quota", []string{
		`etcd_mvcc_db_total_size_in_bytes{job="etcd",node="a"} 1e9x60`,
		`etcd_server_quota_backend_bytes{job="etcd",node="a"} 2e9x60`,
	}, never, never},
	{"CapomEtcdFull", "a database that grows", []string{
		`etcd_mvcc_db_total_size_in_bytes{job="etcd",node="a"} 1e9+2e7x60`,
		`etcd_server_quota_backend_bytes{job="etcd",node="a"} 2e9x60`,
	}, 46, 65},
}
