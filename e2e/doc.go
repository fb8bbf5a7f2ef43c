// SPDX-License-Identifier: Apache-2.0

// Package e2e makes real faults in a real cluster, asks the program about them, and compares its answer with what was
// done. Its tests have the build tag e2e and need KUBECONFIG; make e2e brings up the lab for them. Where the environment
// names INQUEST_BIN and INQUEST_LAB those programs are used, else both are built.
package e2e
