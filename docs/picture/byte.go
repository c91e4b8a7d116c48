// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

package main

// A step is a box in the picture of the life of a byte: a name, and what happens there.
type step struct {
	y     float64
	names []string // names in the code, one on each line
	notes []string
}

const (
	byteWidth  = 720.0
	byteHeight = 772.0

	laneWidth = 330.0
	laneTop   = 152.0
	laneEnd   = 622.0
	leftLane  = 2.0
	rightLane = byteWidth - 2 - laneWidth
	callsTop  = 652.0
	boxInset  = 12.0
	boxWidth  = laneWidth - 2*boxInset

	down = leftLane + 256  // the place of the arrows of the input
	up   = rightLane + 256 // the place of the arrows of the output
	back = leftLane + 296  // the place of the back-pressure, beside the input
)

var inSteps = []step{
	{216, []string{"Read"}, []string{"into a buffer"}},
	{308, []string{"Terminator"}, []string{"finds the end of the message,", "within MaxMessageSize"}},
	{424, []string{"CollectIncomingData(piece)"}, []string{"as often as there are pieces"}},
	{516, []string{"FoundTerminator()"}, []string{"the message is complete:", "your code answers"}},
}

// outSteps are the steps of the output, from the last to the first.
var outSteps = []step{
	{216, []string{"Write"}, []string{"many pieces at once;", "no progress for WriteTimeout:", "the peer is dropped"}},
	{372, []string{"More()"}, []string{"asks a producer for a piece", "when there is room to send it"}},
	{516, []string{"queue"}, []string{"in order of the pushes, up to", "MaxQueuedBytes"}},
}

func (s step) height() float64 {
	return 22 + 24*float64(len(s.names)) + 22*float64(len(s.notes))
}

// drawByte draws the way of a byte: on the left down, as input, and on the right up, as
// output.
func drawByte(th theme) string {
	c := new(canvas)
	c.addf(`<defs>`)
	c.head("head", th.rule)
	c.head("alarm", th.alarm)
	c.addf(`</defs>`)

	c.bar(th, 2, 42, "peer", "")
	c.bar(th, 78, 42, "net.Conn", "TCP, TLS, Unix socket, or your own")
	c.lane(leftLane, th.reader, th.readerInk, "reader goroutine", "calls your handler")
	c.lane(rightLane, th.writer, th.writerInk, "writer goroutine", "only while output waits")
	c.column(th, leftLane, inSteps)
	c.column(th, rightLane, outSteps)
	c.calls(th)

	c.arrow(th, down, 44, down, 78)
	c.arrow(th, down, 120, down, 216)
	for i, s := range inSteps[1:] {
		c.arrow(th, down, inSteps[i].y+inSteps[i].height(), down, s.y)
	}
	c.arrow(th, down, inSteps[3].y+inSteps[3].height(), down, callsTop)
	c.arrow(th, up, callsTop, up, outSteps[2].y+outSteps[2].height())
	for i, s := range outSteps[1:] {
		c.arrow(th, up, s.y, up, outSteps[i].y+outSteps[i].height())
	}
	c.arrow(th, up, 216, up, 120)
	c.arrow(th, up, 78, up, 44)
	c.backPressure(th)
	return c.document(byteWidth, byteHeight, "The life of a byte", byteText)
}

const byteText = "Input, on the reader goroutine, of which each connection has one: from the peer through the net.Conn " +
	"into a buffer; the Terminator finds the end of the message, within MaxMessageSize; then the calls " +
	"CollectIncomingData, once for each piece, and FoundTerminator. " +
	"Push, PushWithProducer and CloseWhenDone, from the handler or any other goroutine, put output into a queue. " +
	"Output, on the writer goroutine, which is there only while output waits: " +
	"the queue, which is bounded by MaxQueuedBytes; More, which asks a producer for the next piece; " +
	"Write, through the net.Conn to the peer, who is dropped when nothing gets on for WriteTimeout. " +
	"Back-pressure: when the queue is full, Push waits, so that the reader does not read, " +
	"the TCP window closes, and the peer waits."

// head defines an arrowhead.
func (c *canvas) head(id, fill string) {
	c.addf(`<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="11" markerHeight="11" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="%s"/></marker>`, id, fill)
}

func (c *canvas) arrow(th theme, x1, y1, x2, y2 float64) {
	if y2 > y1 {
		y2--
	} else {
		y2++
	}
	c.addf(`<path d="M%s,%s L%s,%s" fill="none" stroke="%s" stroke-width="2.5" marker-end="url(#head)"/>`,
		number(x1), number(y1), number(x2), number(y2), th.rule)
}

// bar draws a box across both lanes.
func (c *canvas) bar(th theme, y, h float64, name, note string) {
	c.rect(leftLane, y, byteWidth-2*leftLane, h, 8, th.box, th.rule)
	if note == "" {
		c.text(byteWidth/2, y+h/2+6.5, style{size: 19, fill: th.ink, anchor: "middle", bold: true}, name)
		return
	}
	c.text(leftLane+boxInset+12, y+h/2+6, style{size: 19, fill: th.ink, bold: true, mono: true}, name)
	c.text(byteWidth-leftLane-boxInset-12, y+h/2+6, style{size: 17, fill: th.muted, anchor: "end"}, note)
}

func (c *canvas) lane(x float64, fill, ink, name, note string) {
	c.rect(x, laneTop, laneWidth, laneEnd-laneTop, 12, fill, fill)
	c.text(x+boxInset+4, laneTop+26, style{size: 19, fill: ink, bold: true}, name)
	c.text(x+boxInset+4, laneTop+49, style{size: 16, fill: ink}, note)
}

func (c *canvas) column(th theme, lane float64, steps []step) {
	for _, s := range steps {
		x := lane + boxInset
		c.rect(x, s.y, boxWidth, s.height(), 8, th.box, th.rule)
		y := s.y + 28
		for _, name := range s.names {
			c.text(x+14, y, style{size: 18, fill: th.ink, bold: true, mono: true}, name)
			y += 24
		}
		for _, note := range s.notes {
			c.text(x+14, y, style{size: 16, fill: th.muted}, note)
			y += 22
		}
	}
}

// calls draws who pushes output: the handler, or any other goroutine.
func (c *canvas) calls(th theme) {
	const y = callsTop
	c.rect(leftLane, y, byteWidth-2*leftLane, 68, 8, th.box, th.rule)
	for i, name := range []string{"Push", "PushWithProducer", "CloseWhenDone"} {
		x := byteWidth/2 + 230*float64(i-1)
		c.text(x, y+29, style{size: 18, fill: th.ink, anchor: "middle", bold: true, mono: true}, name)
	}
	c.text(byteWidth/2, y+54, style{size: 16, fill: th.muted, anchor: "middle"}, "by the handler, or from any other goroutine")
}

// backPressure draws what a full queue does. A line leads from the queue to the reader,
// and on to the peer.
func (c *canvas) backPressure(th theme) {
	const (
		gutter = byteWidth / 2
		read   = 250.0
	)
	queue := outSteps[2].y + 46
	line := func(d string) {
		c.addf(`<path d="%s" fill="none" stroke="%s" stroke-width="2.5" stroke-dasharray="7 5" marker-end="url(#alarm)"/>`, d, th.alarm)
	}
	line("M" + number(rightLane+boxInset) + "," + number(queue) + " H" + number(gutter+10) +
		" Q" + number(gutter) + "," + number(queue) + " " + number(gutter) + "," + number(queue-10) +
		" V" + number(read+10) + " Q" + number(gutter) + "," + number(read) + " " + number(gutter-10) + "," + number(read) +
		" H" + number(leftLane+boxInset+boxWidth+2))
	line("M" + number(back) + ",216 V122")
	line("M" + number(back) + ",78 V46")
	c.text(byteWidth/2, byteHeight-16, style{size: 17, fill: th.alarm, anchor: "middle", bold: true},
		"queue full: Push waits, reading stops, the TCP window closes")
}
