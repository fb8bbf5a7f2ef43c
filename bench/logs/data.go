// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"

	"github.com/kubeinquest/inquest/internal/signature"
)

// templates are lines as the systems of Loghub (Zhu et al., ISSRE 2023) and those in a cluster write them. %d is a
// number, %x a hexadecimal one, %a an address and %w one of a few words.
var templates = []string{
	"081109 %d %d INFO dfs.DataNode$DataXceiver: Receiving block blk_%d src: /%a dest: /%a",
	"081109 %d %d INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: %a is added to blk_%d size %d",
	"081109 %d %d INFO dfs.DataNode$PacketResponder: PacketResponder %d for block blk_%d terminating",
	"081109 %d %d INFO dfs.FSDataset: Deleting block blk_%d file /mnt/hadoop/dfs/data/current/subdir%d/blk_%d",
	"2026-11-23 18:01:%d,%d - INFO  [NIOServerCxn.Factory:0.0.0.0/0.0.0.0:2181:NIOServerCnxnFactory@%d] - Accepted socket connection from /%a",
	"2026-11-23 18:01:%d,%d - INFO  [CommitProcessor:1:ZooKeeperServer@%d] - Established session 0x%x with negotiated timeout %d for client /%a",
	"17/06/09 20:10:%d INFO storage.BlockManager: Found block rdd_%d_%d locally",
	"17/06/09 20:10:%d INFO executor.Executor: Finished task %d.0 in stage %d.0 (TID %d). %d bytes result sent to driver",
	"17/06/09 20:10:%d INFO python.PythonRunner: Times: total = %d, boot = %d, init = %d, finish = %d",
	"Nov 23 18:01:%d node-%d sshd[%d]: Accepted publickey for %w from %a port %d ssh2",
	"Nov 23 18:01:%d node-%d systemd[1]: Started Session %d of user %w",
	"%a - - [23/Nov/2026:18:01:%d +0000] \"GET /api/%w/%d HTTP/1.1\" 200 %d \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" %d",
	"%a - %w [23/Nov/2026:18:01:%d +0000] \"POST /api/%w HTTP/1.1\" 201 %d \"https://shop.example/%w\" \"curl/8.5.0\" %d",
	`{"level":"info","ts":"2026-11-23T18:01:%dZ","caller":"server/http.go:%d","msg":"request done","path":"/api/%w/%d","took":"%dms","trace":"%x"}`,
	`{"time":"2026-11-23T18:01:%dZ","level":"INFO","msg":"order stored","order":%d,"customer":"%w","items":%d}`,
	`time="2026-11-23T18:01:%dZ" level=info msg="reconciled" namespace=%w name=web-%x took=%dms`,
	"I1123 18:01:%d.%d       1 controller.go:%d] \"Reconciled\" object=\"%w/web-%d\" generation=%d duration=\"%dms\"",
	"2026-11-23 18:01:%d.%d UTC [%d] LOG:  checkpoint complete: wrote %d buffers (0.1%%); %d WAL file(s) added, %d removed, %d recycled",
	"2026-11-23 18:01:%d.%d  INFO %d --- [nio-8080-exec-%d] c.s.orders.OrderService : order %d of customer %w stored in %d ms",
	"[2026-11-23 18:01:%d,%d] INFO [GroupCoordinator %d]: Member consumer-%w-%d in group %w joined with generation %d (kafka.coordinator.group.GroupCoordinator)",
	"[Mon Nov 23 18:01:%d 2026] [notice] workerEnv.init() ok /etc/httpd/conf/workers%d.properties",
	"1:M 23 Nov 2026 18:01:%d.%d * %d changes in %d seconds. Saving...",
	"nova-compute.log 2026-11-23 18:01:%d.%d %d INFO nova.compute.manager [req-%x %x] [instance: %x] VM Resumed (Lifecycle Event)",
	"WARN  [2026-11-23 18:01:%d] cache of %w is at %d of %d entries, oldest is %d s",
}

var names = strings.Fields("orders catalog billing users search stock mail audit reports gateway")

// write makes so many bytes of log. One line in shown is one that a signature knows.
func write(w io.Writer, size int64, known []*signature.Sig, shown int) error {
	random := rand.New(rand.NewPCG(1, 2))
	out := bufio.NewWriterSize(w, 1<<20)
	line := make([]byte, 0, 1024)
	for n := int64(0); n < size; n += int64(len(line)) {
		if random.IntN(shown) == 0 {
			s := known[random.IntN(len(known))]
			line = fmt.Appendf(line[:0], "2026-11-23 18:01:%02d ERROR %s\n", random.IntN(60), s.Match[random.IntN(len(s.Match))])
		} else {
			line = fill(line[:0], templates[random.IntN(len(templates))], random)
		}
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}

// fill appends a line of a template.
func fill(line []byte, template string, random *rand.Rand) []byte {
	for i := 0; i < len(template); i++ {
		if template[i] != '%' {
			line = append(line, template[i])
			continue
		}
		i++
		switch template[i] {
		case 'd':
			line = fmt.Append(line, random.IntN(100_000))
		case 'x':
			line = fmt.Appendf(line, "%016x", random.Uint64())
		case 'a':
			line = fmt.Appendf(line, "10.%d.%d.%d:%d", random.IntN(256), random.IntN(256), random.IntN(256), random.IntN(60_000))
		case 'w':
			line = append(line, names[random.IntN(len(names))]...)
		default:
			line = append(line, template[i])
		}
	}
	return append(line, '\n')
}
