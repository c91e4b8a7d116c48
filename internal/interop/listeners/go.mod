module github.com/goframer/framer/internal/interop/listeners

go 1.26.0

require (
	github.com/coreos/go-systemd/v22 v22.7.0
	github.com/goframer/framer v0.0.0-00010101000000-000000000000
	github.com/pires/go-proxyproto v0.15.0
	golang.org/x/net v0.62.0
	golang.org/x/sys v0.49.0
)

require golang.org/x/sync v0.24.0

replace github.com/goframer/framer => ../../..
