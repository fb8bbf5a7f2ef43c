// SPDX-License-Identifier: Apache-2.0

// Package server tries inquest serve as it runs in a cluster: with a real API server, its RBAC and its audit log, and a real PostgreSQL
// shared by replicas that are killed and stopped; and with an API server that refuses requests, and one that has forgotten what changed. Its
// tests have the build tag e2e. They need the lab's programs, which make lab-up builds, but not the lab: pods have no nodes here, and end by
// what the tests write into their status. They run as root: an API server is given a host name of its own.
package server
