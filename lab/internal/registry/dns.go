// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"encoding/binary"
	"errors"
	"net"
	"strings"
)

// Of RFC 1035.
const (
	headerSize    = 12
	typeA         = 1
	flagsAnswer   = 0x8580 // response, authoritative, recursion desired and available
	codeNameError = 3
	answerSeconds = 30
)

var errQuery = errors.New("not a name query")

// serveNames answers queries one after the other. What is no query is dropped.
func serveNames(conn net.PacketConn, hosts map[string]net.IP) error {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		reply, err := answer(buf[:n], hosts)
		if err != nil {
			continue
		}
		if _, err := conn.WriteTo(reply, from); err != nil {
			return err
		}
	}
}

// answer gives the address of a known host, says that any other name does not
// exist, and has nothing for other types of a name that does.
func answer(query []byte, hosts map[string]net.IP) ([]byte, error) {
	name, end, err := question(query)
	if err != nil {
		return nil, err
	}
	kind := binary.BigEndian.Uint16(query[end-4:])
	ip, known := hosts[name]
	reply := append([]byte(nil), query[:end]...)
	flags := uint16(flagsAnswer)
	if !known {
		flags |= codeNameError
	}
	binary.BigEndian.PutUint16(reply[2:], flags)
	binary.BigEndian.PutUint16(reply[4:], 1) // questions
	clear(reply[6:headerSize])               // answers, authorities, additional records
	if !known || kind != typeA || ip.To4() == nil {
		return reply, nil
	}
	binary.BigEndian.PutUint16(reply[6:], 1)
	reply = binary.BigEndian.AppendUint16(reply, 0xc000|headerSize) // the name: as in the question
	reply = binary.BigEndian.AppendUint16(reply, typeA)
	reply = binary.BigEndian.AppendUint16(reply, 1) // class IN
	reply = binary.BigEndian.AppendUint32(reply, answerSeconds)
	reply = binary.BigEndian.AppendUint16(reply, net.IPv4len)
	return append(reply, ip.To4()...), nil
}

// question returns the name asked for, in lower case and without the last dot,
// and where the question ends.
func question(query []byte) (string, int, error) {
	const typeAndClass = 4
	if len(query) < headerSize || query[2]&0x80 != 0 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return "", 0, errQuery
	}
	var labels []string
	for at := headerSize; at < len(query); {
		size := int(query[at])
		at++
		if size == 0 {
			if at+typeAndClass > len(query) {
				return "", 0, errQuery
			}
			return strings.ToLower(strings.Join(labels, ".")), at + typeAndClass, nil
		}
		if size > 63 || at+size > len(query) {
			return "", 0, errQuery
		}
		labels = append(labels, string(query[at:at+size]))
		at += size
	}
	return "", 0, errQuery
}
