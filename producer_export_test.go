// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package framer

import "io"

// InterruptProducer is what a Conn does with a producer that may wait.
var InterruptProducer = interruptProducer

// EndProducer is how a Conn closes a producer.
var EndProducer = endProducer

// TransferProducer calls the transfer of a producer that has one.
func TransferProducer(p Producer, w io.ReaderFrom) (int64, error) {
	return p.(transferrer).transfer(w)
}
