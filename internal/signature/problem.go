// SPDX-License-Identifier: Apache-2.0

package signature

// What a signature says is wrong, in one word. TLS is one of them too.
const (
	Config             = "config"
	MissingEnv         = "missing-env"
	MissingFile        = "missing-file"
	MissingCode        = "missing-code"
	Credentials        = "credentials"
	Permission         = "permission"
	ReadOnly           = "read-only"
	NetworkRefused     = "network-refused"
	NetworkTimeout     = "network-timeout"
	NetworkUnreachable = "network-unreachable"
	NetworkReset       = "network-reset"
	DNS                = "dns"
	DiskFull           = "disk-full"
	DiskError          = "disk-error"
	HeapExhausted      = "out-of-memory-heap"
	MemoryExhausted    = "out-of-memory"
	LimitFiles         = "limits-fd"
	LimitThreads       = "limits-threads"
	LimitWatches       = "limits-inotify"
	LimitConnections   = "limits-connections"
	PortInUse          = "port-in-use"
	Locked             = "locked"
	DataCorrupt        = "data-corrupt"
	Migration          = "migration"
	MissingData        = "missing-data"
	Deadlock           = "deadlock"
	RBAC               = "rbac"
	LeaderElection     = "leader-election"
	Quorum             = "quorum"
	Quota              = "quota"
	NotReady           = "not-ready"
	Overload           = "overload"
	Crash              = "crash"
	VersionMismatch    = "version-mismatch"
	License            = "license"
	NotExecutable      = "not-executable"
)

// Problems says what each word for a problem means. There are no others.
var Problems = map[string]string{
	Config:             "a setting is wrong, or one is missing",
	MissingEnv:         "an environment variable is missing",
	MissingFile:        "a file is missing",
	MissingCode:        "a module, class or library of the program is missing",
	Credentials:        "a user name, password, key or token is missing or was refused",
	Permission:         "the operating system, or a server for a user it knows, allows too little",
	ReadOnly:           "what is to be written is read-only",
	NetworkRefused:     "nothing listens where the program connects to",
	NetworkTimeout:     "no answer came in time",
	NetworkUnreachable: "there is no way to the address",
	NetworkReset:       "the other side ended the connection",
	DNS:                "a name does not resolve",
	TLS:                "the certificate or the handshake is at fault",
	DiskFull:           "there is no space left",
	DiskError:          "the storage does not work",
	HeapExhausted:      "the limit that the runtime sets itself for its memory is reached",
	MemoryExhausted:    "no memory could be had from the system or the server",
	LimitFiles:         "too many files or sockets are open",
	LimitThreads:       "no more threads or processes may be made",
	LimitWatches:       "too many files are watched",
	LimitConnections:   "a server, or a pool, gives no more connections",
	PortInUse:          "another process has the port or the address",
	Locked:             "another process has, or seems to have, the data",
	DataCorrupt:        "what was stored cannot be read",
	Migration:          "the schema of the database is not the one that the program expects",
	MissingData:        "a database, table, topic or other thing on a server does not exist",
	Deadlock:           "processes, threads or transactions wait for each other",
	RBAC:               "Kubernetes does not allow it",
	LeaderElection:     "leadership was lost or could not be had",
	Quorum:             "too few members of a cluster are there, or none leads",
	Quota:              "a quota or a rate limit is reached",
	NotReady:           "a server is there and does not serve yet, or no longer",
	Overload:           "more is asked for than can be done",
	Crash:              "a fault of the program ended it",
	VersionMismatch:    "two versions do not fit together",
	License:            "a licence is missing or is over",
	NotExecutable:      "the program cannot be run on this machine",
}

// ofDependency are the problems that a dependency's are of.
var ofDependency = map[string]string{
	Refused: NetworkRefused, TimeOut: NetworkTimeout, NoSuchHost: DNS, Unreachable: NetworkUnreachable, TLS: TLS, Auth: Credentials,
}

// Problem says in one word of Problems what a block says is wrong: what its signature says, or else what it says of a
// service that could not be used, or that it is a crash. It is "" when nothing is known. As with all log text it is what
// the program claims, and no proof.
func Problem(b Block) string {
	if b.Signature != nil {
		return b.Signature.Problem
	}
	if found := Dependencies(b); len(found) > 0 {
		return ofDependency[found[0].Problem]
	}
	switch b.Kind {
	case GoPanic, GoFatal, Rust, Abort, Sanitizer:
		return Crash
	}
	return ""
}
