// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// zipOf returns a zip made entry by entry, with no check at all. The comment of a header becomes the content.
func zipOf(t testing.TB, headers ...*zip.FileHeader) []byte {
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, h := range headers {
		content := h.Comment
		h.Comment = ""
		w, err := zw.CreateHeader(h)
		if err == nil && content != "" {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zipNames returns a zip of files that hold one byte.
func zipNames(t testing.TB, names ...string) []byte {
	var headers []*zip.FileHeader
	for _, name := range names {
		h := &zip.FileHeader{Name: name, Comment: "x"}
		if strings.HasSuffix(name, "/") {
			h.Comment = ""
		}
		headers = append(headers, h)
	}
	return zipOf(t, headers...)
}

func zipMode(t testing.TB, mode os.FileMode) []byte {
	h := &zip.FileHeader{Name: "a", Comment: "/etc/passwd"}
	h.SetMode(mode)
	return zipOf(t, h)
}

// zipBomb returns n entries of zeros, size bytes each, about a thousand times smaller when packed.
func zipBomb(t testing.TB, n, size int) []byte {
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	zeros := make([]byte, size)
	for i := range n {
		w, err := zw.Create(fmt.Sprintf("zeros%d", i))
		if err == nil {
			_, err = w.Write(zeros)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zipClaims returns a zip whose only entry claims a size that it does not have.
func zipClaims(t testing.TB, claimed uint64, packed uint64) []byte {
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	h := &zip.FileHeader{Name: "a", Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte("x")), UncompressedSize64: claimed, CompressedSize64: packed}
	w, err := zw.CreateRaw(h)
	if err == nil {
		_, err = io.WriteString(w, "x")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// zipRepeat returns a zip whose list of contents names its only entry, stored as it is, n times over.
func zipRepeat(t testing.TB, n, size int) []byte {
	one := zipOf(t, &zip.FileHeader{Name: "000000", Comment: strings.Repeat("x", size)})
	end := one[len(one)-22:]
	from := int(binary.LittleEndian.Uint32(end[16:]))
	record := bytes.Clone(one[from : len(one)-22])
	out := bytes.Clone(one[:from])
	for i := range n {
		copy(record[46:], fmt.Sprintf("%06d", i))
		out = append(out, record...)
	}
	tail := bytes.Clone(end)
	binary.LittleEndian.PutUint16(tail[8:], uint16(n))
	binary.LittleEndian.PutUint16(tail[10:], uint16(n))
	binary.LittleEndian.PutUint32(tail[12:], uint32(n*len(record)))
	return append(out, tail...)
}

// tarOf returns a tar of the headers, each followed by as many zeros as were given, whatever its size says.
func tarOf(t testing.TB, zeros int, headers ...*tar.Header) []byte {
	var buf bytes.Buffer
	for _, h := range headers {
		tw := tar.NewWriter(&buf)
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		buf.Write(make([]byte, (zeros+511)/512*512))
	}
	buf.Write(make([]byte, 1024))
	return buf.Bytes()
}

func tarName(t testing.TB, name string) []byte {
	return tarOf(t, 0, &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600})
}

func tarType(t testing.TB, kind byte) []byte {
	return tarOf(t, 0, &tar.Header{Name: "a", Typeflag: kind, Linkname: "../../etc/passwd"})
}

// tarSparse returns a tar in the old GNU form whose entry takes no space and unpacks to 10 GiB.
func tarSparse() []byte {
	b := make([]byte, 1536)
	copy(b, "sparse")
	copy(b[100:], "0000600\x000000000\x000000000\x00")
	copy(b[124:], "00000000000\x0000000000000\x00")
	copy(b[148:], "        S")
	copy(b[257:], "ustar  \x00")
	copy(b[483:], "120000000000")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func gzipped(t testing.TB, data []byte) []byte {
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	if _, err := gz.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func manyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("n", i)
	}
	return names
}

// The reasons that several hostile entries share.
const (
	outside = "path is not a plain path inside the bundle"
	control = "path holds a backslash or a control character"
	special = "neither a plain file nor a folder"
)

// A hostile is an archive and what the refusal has to say.
type hostile struct {
	name string
	data []byte
	want string
}

func hostileZips(t testing.TB) []hostile {
	deep := strings.Repeat("d/", maxPathDepth) + "f"
	long := strings.Repeat("l", maxPathBytes+1)
	return []hostile{
		{"zip parent", zipNames(t, "../../etc/cron.d/x"), `entry "../../etc/cron.d/x": ` + outside},
		{"zip inner parent", zipNames(t, "a/../../b"), outside},
		{"zip absolute", zipNames(t, "/etc/passwd"), outside},
		{"zip backslash", zipNames(t, `..\..\x`), control},
		{"zip escape", zipNames(t, "a\x1b]0;x\x07"), control},
		{"zip newline", zipNames(t, "a\nb"), control},
		{"zip empty name", zipNames(t, ""), outside},
		{"zip dot", zipNames(t, "."), "both a file and a folder"},
		{"zip double slash", zipNames(t, "a//b"), outside},
		{"zip not UTF-8", zipNames(t, "a\xff"), outside},
		{"zip deep", zipNames(t, deep), "more than 16 folders deep"},
		{"zip long", zipNames(t, long), "path longer than 1024 bytes"},
		{"zip twice", zipNames(t, "a", "a"), `entry "a": name appears twice`},
		{"zip file and folder", zipNames(t, "a", "a/b"), "both a file and a folder"},
		{"zip symlink", zipMode(t, os.ModeSymlink|0o777), special},
		{"zip device", zipMode(t, os.ModeDevice|0o666), special},
		{"zip fifo", zipMode(t, os.ModeNamedPipe|0o666), special},
		{"zip socket", zipMode(t, os.ModeSocket|0o666), special},
		{"zip encrypted", zipOf(t, &zip.FileHeader{Name: "a", Flags: 1}), "encrypted"},
		{"zip 10 GiB claim", zipClaims(t, 10<<30, 1), "10737418240 bytes, more than the 16777216 a file may have"},
		{"zip packed claim", zipClaims(t, 1, 10<<30), "claims bytes that belong to other entries"},
		{"zip false size", zipClaims(t, 100, 1), "entry"},
		{"zip shared bytes", zipRepeat(t, 500, 1000), "claims bytes that belong to other entries"},
		{"zip ratio", zipBomb(t, 2, 1<<20), "unpacks to more than 200 times the size of the archive"},
		{"zip too many", zipNames(t, manyNames(maxEntries+1)...), "more than 10000 entries"},
		{"zip only folders", zipNames(t, "a/", "b/"), "no files in it"},
		{"zip empty", zipNames(t), "no files in it"},
		{"zip cut off", zipNames(t, "a", "b")[:60], "not a valid zip file"},
	}
}

func hostileTars(t testing.TB) []hostile {
	return []hostile{
		{"tar parent", tarName(t, "../x"), `entry "../x": ` + outside},
		{"tar absolute", tarName(t, "/etc/passwd"), outside},
		{"tar hard link", tarType(t, tar.TypeLink), special},
		{"tar symlink", tarType(t, tar.TypeSymlink), special},
		{"tar device", tarType(t, tar.TypeChar), special},
		{"tar block device", tarType(t, tar.TypeBlock), special},
		{"tar fifo", tarType(t, tar.TypeFifo), special},
		{"tar sparse", tarSparse(), special},
		{"tar 10 GiB claim", tarOf(t, 0, &tar.Header{Name: "a", Size: 10 << 30}), "10737418240 bytes, more than the 16777216 a file may have"},
		{"tar cut off", tarOf(t, 0, &tar.Header{Name: "a", Size: 4096}), "unexpected EOF"},
		{"tar twice", tarOf(t, 0, &tar.Header{Name: "a"}, &tar.Header{Name: "./a"}), "name appears twice"},
		{"tgz parent", gzipped(t, tarName(t, "../x")), outside},
		{"tgz ratio", gzipped(t, tarOf(t, 1<<20, &tar.Header{Name: "a", Size: 1 << 20}, &tar.Header{Name: "b", Size: 1 << 20})), "unpacks to more than 200 times"},
		{"tgz no tar", gzipped(t, bytes.Repeat([]byte("hello "), 200)), "invalid tar header"},
		{"gzip cut off", []byte("\x1f\x8b\x08"), "unexpected EOF"},
		{"gzip of gzip", gzipped(t, gzipped(t, tarName(t, "a"))), "EOF"},
		{"txtar parent", []byte("-- ../x --\n"), outside},
		{"txtar twice", []byte("-- a --\n-- a --\n"), "name appears twice"},
		{"txtar too many", []byte(strings.Repeat("-- a --\n", maxEntries+1)), "more than 10000 entries"},
		{"text", []byte("hello\n"), "no files in it; a bundle is a folder, zip, tar, tar.gz or txtar"},
		{"empty", nil, "no files in it"},
	}
}

func TestOpenArchiveRefusesHostileFiles(t *testing.T) {
	for _, tt := range append(hostileZips(t), hostileTars(t)...) {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "case.bin")
			if err := os.WriteFile(file, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			grown := allocated(func() {
				_, err := OpenArchive(file)
				wantRefusal(t, err, "case.bin", tt.want)
			})
			if grown > 4*maxTotalBytes {
				t.Errorf("allocated %d MiB on the way to the refusal", grown>>20)
			}
		})
	}
}

// A list of contents may promise any number of entries: it is not even parsed.
func TestOpenArchiveBoundsZipDirectory(t *testing.T) {
	data := zipRepeat(t, 300_000, 1)
	grown := allocated(func() {
		if _, err := readArchive(bytes.NewReader(data), int64(len(data))); err == nil || err.Error() != "more than 10000 entries" {
			t.Errorf("error %v", err)
		}
	})
	if grown > maxTotalBytes {
		t.Errorf("allocated %d MiB", grown>>20)
	}
}

// A gzipped tar may consist of headers alone: what they unpack to is bounded too.
func TestReadTarBoundsHeaders(t *testing.T) {
	pax := map[string]string{"x.y": strings.Repeat("a", 100_000)}
	data := tarOf(t, 0, &tar.Header{Name: "a", PAXRecords: pax}, &tar.Header{Name: "b", PAXRecords: pax})
	err := readTar(newIntake(1), &cappedReader{r: bytes.NewReader(data), left: 150_000})
	if err == nil || err.Error() != "unpacks to more than the 82468864 bytes a bundle may have" {
		t.Errorf("error %v", err)
	}
}

// allocated returns how many bytes f allocates, freed ones included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzReadArchive(f *testing.F) {
	f.Add(zipNames(f, "meta.yaml", "logs/a.log", "d/"))
	f.Add(zipClaims(f, 10<<30, 1))
	f.Add(zipRepeat(f, 3, 100))
	f.Add(tarOf(f, 512, &tar.Header{Name: "a", Size: 512}, &tar.Header{Name: strings.Repeat("n", 300), Size: 3}))
	f.Add(tarSparse())
	f.Add(gzipped(f, tarName(f, "./meta.yaml")))
	f.Add([]byte("comment\n-- a --\nx\n-- b/c --\ny"))
	f.Add([]byte("-- a\r\n-- b --\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys, err := readArchive(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Fatalf("error %q is not one plain line", err)
			}
			return
		}
		files := contents(t, fsys)
		if err := checkFiles(files); err != nil {
			t.Fatalf("read, but could not be written: %v", err)
		}
	})
}
