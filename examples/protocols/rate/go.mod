module github.com/goframer/framer/examples/protocols/rate

go 1.26.0

require (
	github.com/goframer/framer v0.0.0-00010101000000-000000000000
	golang.org/x/time v0.16.0
)

require golang.org/x/sync v0.24.0 // indirect

replace github.com/goframer/framer => ../../..
