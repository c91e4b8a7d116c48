module github.com/goframer/framer/framertest/nettest

go 1.26.0

replace github.com/goframer/framer => ../..

require (
	github.com/goframer/framer v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.62.0
)

require golang.org/x/sync v0.24.0 // indirect
