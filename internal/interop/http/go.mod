module github.com/goframer/framer/internal/interop/http

go 1.26.0

require (
	github.com/coder/websocket v1.8.15
	github.com/goframer/framer v0.0.0-00010101000000-000000000000
)

require golang.org/x/sync v0.24.0 // indirect

replace github.com/goframer/framer => ../../..
