// Copyright 2026 The framer authors. All rights reserved.
// Use of this source code is governed by a BSD-style
// license that can be found in the LICENSE file.

// All text from peers and from the program is put into the page as textContent or as an
// attribute, never as HTML.
"use strict";
(() => {
	const period = 2000; // between two refreshes, in milliseconds
	const pageSize = 100;
	const points = 90; // the greatest number of points in a plot

	const byId = (id) => document.getElementById(id);
	const allowClose = "allowClose" in document.body.dataset;
	const hasInfo = "info" in document.body.dataset;

	// The fragment of the address says what is shown, so that it is kept in a bookmark and
	// after a reload.
	const view = { sort: "queued", order: "desc", filter: "", offset: 0 };
	for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
		if (name in view) view[name] = name === "offset" ? Number(value) || 0 : value;
	}
	const keepView = () => history.replaceState(null, "", "#" + new URLSearchParams(view));

	let report = null;
	let paused = false;
	let timer = 0;
	let asking = null; // an AbortController for the request that is under way

	// Figures as texts.

	const whole = new Intl.NumberFormat("en");
	const count = (n) => whole.format(Math.round(n));
	function bytes(n) {
		const units = ["B", "KiB", "MiB", "GiB", "TiB"];
		let i = 0;
		for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
		return (i === 0 ? Math.round(n) : n.toFixed(n < 10 ? 1 : 0)) + " " + units[i];
	}
	const rate = (n) => (n > 0 && n < 10 ? n.toFixed(1) : count(n)) + "/s";
	function since(time, now) {
		if (!time) return "";
		const s = Math.max(0, (now - Date.parse(time)) / 1000);
		if (s < 10) return s.toFixed(1) + " s";
		if (s < 120) return Math.floor(s) + " s";
		if (s < 7200) return Math.floor(s / 60) + " min";
		if (s < 172800) return Math.floor(s / 3600) + " h";
		return Math.floor(s / 86400) + " d";
	}

	// Each column has a name for sorting, a head, an explanation of the head, a function that
	// returns the text of a cell, and a kind.

	const columns = [
		["server", "Server", "", (c) => report.Servers[c.Server].Name, "text"],
		["id", "#", "number of the connection in its server", (c) => c.ID, "number"],
		["peer", "Peer", "address of the other side", (c) => c.Peer, "text"],
		["local", "Local", "address of this side", (c) => c.Local, "text"],
		["state", "State", "", (c) => c.State, "text"],
		["info", "Info", "", (c) => c.Info, "text"],
		["age", "Age", "since it began", (c, now) => since(c.Began, now), "number"],
		["idle", "Idle", "since a byte has moved, either way", (c, now) => since(c.LastMoved, now), "number"],
		["queued", "Queued", "bytes pushed and not yet written", (c) => bytes(c.QueuedBytes), "number"],
		["waiting", "Output waits", "since when a write has waited for the peer", (c, now) => since(c.WaitingSince, now), "number"],
		["messages", "Messages in", "messages read", (c) => count(c.MessagesRead), "number"],
		["pushes", "Pushes out", "pieces and producers pushed", (c) => count(c.Pushes), "number"],
		["read", "Bytes in", "bytes read", (c) => bytes(c.BytesRead), "number"],
		["written", "Bytes out", "bytes written", (c) => bytes(c.BytesWritten), "number"],
		["stalls", "Stalls", "writes that have waited for the peer", (c) => count(c.WriteStalls), "number"],
		["waits", "Push waits", "pushes that had to wait for room in the queue", (c) => count(c.PushWaits), "number"],
		["refused", "Refused", "pushes that TryPush has refused", (c) => count(c.PushRefused), "number"],
	].map(([name, head, title, text, kind]) => ({ name, head, title, text, kind }));
	const isShown = (col) => (col.name !== "server" || report === null || report.Servers.length > 1) && (col.name !== "info" || hasInfo);
	const texts = ["server", "peer", "local", "state", "info"]; // the first click sorts these in ascending order

	function make(tag, props, ...children) {
		const element = document.createElement(tag);
		Object.assign(element, props);
		element.append(...children);
		return element;
	}
	function setText(element, text) {
		text = String(text);
		if (element.textContent !== text) element.textContent = text;
	}

	// The head of the table.

	for (const col of columns) {
		const button = make("button", { type: "button", textContent: col.head, title: col.title });
		button.addEventListener("click", () => {
			if (view.sort === col.name) {
				view.order = view.order === "asc" ? "desc" : "asc";
			} else {
				view.sort = col.name;
				view.order = texts.includes(col.name) ? "asc" : "desc";
			}
			view.offset = 0;
			showSort();
			refresh();
		});
		col.th = make("th", { scope: "col", className: col.kind }, button);
		col.th.setAttribute("role", "columnheader");
		byId("columns").append(col.th);
	}
	if (allowClose) {
		const th = make("th", { scope: "col", className: "plain", textContent: "\u00a0" });
		th.setAttribute("role", "columnheader");
		th.setAttribute("aria-label", "Actions");
		byId("columns").append(th);
	}
	function showSort() {
		for (const col of columns) {
			col.th.hidden = !isShown(col);
			if (col.name === view.sort) {
				col.th.setAttribute("aria-sort", view.order === "asc" ? "ascending" : "descending");
			} else {
				col.th.removeAttribute("aria-sort");
			}
		}
	}

	// The rows. A row that stays keeps its elements, and so its focus and its selection.

	const rows = new Map();
	function makeRow(key) {
		const tr = make("tr");
		tr.setAttribute("role", "row");
		tr.dataset.key = key;
		const cells = columns.map((col) => {
			const td = make("td", { className: col.kind });
			td.setAttribute("role", "cell");
			td.dataset.label = col.head === "#" ? "Number" : col.head;
			tr.append(td);
			return td;
		});
		const row = { tr, cells, conn: null, button: null };
		if (allowClose) {
			row.button = make("button", { type: "button", textContent: "Close", className: "danger" });
			row.button.addEventListener("click", () => askToClose(row.conn));
			const td = make("td", { className: "act" }, row.button);
			td.setAttribute("role", "cell");
			tr.append(td);
		}
		return row;
	}
	function fillRow(row, conn, now) {
		row.conn = conn;
		columns.forEach((col, i) => {
			const td = row.cells[i];
			td.hidden = !isShown(col);
			const text = String(col.text(conn, now));
			setText(td, text);
			if (col.kind === "text" && td.title !== text) td.title = text;
			if (col.name === "waiting") {
				td.classList.toggle("alarm", Boolean(conn.WaitingSince) && now - Date.parse(conn.WaitingSince) > 5000);
			}
		});
		row.button?.setAttribute("aria-label", "Close the connection of " + (conn.Peer || "#" + conn.ID));
	}
	function showRows(now) {
		const body = byId("rows");
		const focused = document.activeElement;
		const place = body.contains(focused) ? [...body.children].indexOf(focused.closest("tr")) : -1;
		const stay = new Set();
		let at = body.firstElementChild;
		for (const conn of report.Conns) {
			const key = conn.Server + "." + conn.ID;
			stay.add(key);
			let row = rows.get(key);
			if (!row) rows.set(key, (row = makeRow(key)));
			fillRow(row, conn, now);
			if (row.tr === at) at = at.nextElementSibling;
			else body.insertBefore(row.tr, at);
		}
		for (const [key, row] of rows) {
			if (!stay.has(key)) {
				row.tr.remove();
				rows.delete(key);
			}
		}
		if (place >= 0 && document.activeElement !== focused) {
			// If the row was moved, it gets the focus again. If its connection has ended, the
			// row that is in its place now gets it.
			const next = body.children[Math.min(place, body.children.length - 1)]?.querySelector("button");
			(focused.isConnected ? focused : next ?? document.querySelector("table")).focus({ preventScroll: true });
		}
	}

	// Totals and plots.

	const svg = (tag, attrs) => {
		const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
		for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, value);
		return element;
	};
	function makePlot(lines) {
		const element = svg("svg", { class: "plot", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" });
		element.append(svg("line", { x1: 0, y1: 29.5, x2: 100, y2: 29.5 }));
		const polylines = Array.from({ length: lines }, () => element.appendChild(svg("polyline", { points: "" })));
		const series = polylines.map(() => []);
		return {
			element,
			add(values) {
				values.forEach((value, i) => {
					series[i].push(value);
					if (series[i].length > points) series[i].shift();
				});
				const most = Math.max(...series.flat(), 0);
				polylines.forEach((line, i) => {
					const left = points - series[i].length;
					const at = (value, j) => ((left + j) * 100 / (points - 1)).toFixed(2) + "," + (29 - (most > 0 ? value / most : 0) * 27).toFixed(2);
					line.setAttribute("points", series[i].map(at).join(" "));
				});
				return most;
			},
		};
	}

	const sum = (f) => report.Servers.reduce((total, server) => total + f(server.Stats), 0);
	const ended = (stats) => Object.values(stats.Ended).reduce((a, b) => a + b, 0);
	const perSecond = (figure) => ({ figure, rate: true });
	const cards = [
		{ head: "Messages", lines: [["in", perSecond((s) => s.MessagesRead)], ["pushes out", perSecond((s) => s.Pushes)]], text: rate },
		{ head: "Bytes", lines: [["in", perSecond((s) => s.BytesRead)], ["out", perSecond((s) => s.BytesWritten)]], text: (n) => bytes(n) + "/s" },
		{ head: "Connections", lines: [["open", { figure: (s) => s.Conns }]], text: count, more: states },
		{ head: "Refused and ended", lines: [["ended", perSecond(ended)], ["refused", perSecond((s) => s.Refused)]], text: rate, more: () => count(sum((s) => s.Accepted)) + " accepted, " + count(sum((s) => s.Refused)) + " refused, " + count(sum(ended)) + " ended" },
		{ head: "Queued output", lines: [["bytes", { figure: (s) => s.QueuedBytes }]], text: bytes, more: () => count(sum((s) => s.WriteStalls)) + " stalls, " + count(sum((s) => s.PushWaits)) + " pushes waited, " + count(sum((s) => s.PushRefused)) + " were refused" },
	];
	function states() {
		const names = Object.keys(report.Servers[0]?.Stats.States ?? {});
		const some = names.map((name) => [name, sum((s) => s.States[name])]).filter(([, n]) => n > 0);
		return some.map(([name, n]) => count(n) + " " + name).join(", ") || "none";
	}
	for (const card of cards) {
		card.plot = makePlot(card.lines.length);
		card.values = card.lines.map(() => make("span"));
		card.most = make("p", { className: "most" });
		const legend = make("div", { className: "legend" }, ...card.values);
		byId("totals").append(make("div", { className: "card" }, make("h2", { textContent: card.head }), legend, card.plot.element, card.most));
	}
	let before = null; // the figures at the last refresh
	const reasons = new Map();
	function showTotals(now) {
		const figures = cards.map((card) => card.lines.map(([, line]) => sum(line.figure)));
		const seconds = before ? (now - before.now) / 1000 : 0;
		const isNew = !before || seconds > 0.5; // after an extra refresh, the time is too short for a plot
		cards.forEach((card, i) => {
			const values = card.lines.map(([, line], j) => {
				if (!line.rate) return figures[i][j];
				return seconds > 0 ? Math.max(0, figures[i][j] - before.figures[i][j]) / seconds : 0;
			});
			if (!isNew) return;
			const most = card.plot.add(values);
			card.lines.forEach(([name], j) => setText(card.values[j], name + " " + card.text(values[j])));
			setText(card.most, card.more ? card.more() : "at most " + card.text(most));
		});
		const names = Object.keys(report.Servers[0]?.Stats.Ended ?? {});
		const totals = Object.fromEntries(names.map((name) => [name, sum((s) => s.Ended[name])]));
		for (const name of names) {
			let reason = reasons.get(name);
			if (!reason) {
				if (totals[name] === 0) continue;
				reason = { number: make("span", { className: "number" }), plot: makePlot(1) };
				reason.item = make("li", {}, make("span", { textContent: name.replaceAll("_", " ") }), reason.number, reason.plot.element);
				reasons.set(name, reason);
				byId("reasons").append(reason.item);
			}
			setText(reason.number, count(totals[name]));
			if (isNew) reason.plot.add([before && seconds > 0 ? Math.max(0, totals[name] - before.totals[name]) / seconds : 0]);
		}
		byId("no-ends").hidden = reasons.size > 0;
		if (isNew) before = { now, figures, totals };
	}

	// Refreshing.

	function show() {
		const now = Date.parse(report.Time);
		showSort();
		showTotals(now);
		showRows(now);
		const { Matching: matching, Open: open, Offset: offset, Conns: conns } = report;
		const of = matching === open ? count(open) : count(matching) + " (all: " + count(open) + ")";
		setText(byId("range"), conns.length > 0 ? count(offset + 1) + "–" + count(offset + conns.length) + " of " + of : "0 of " + of);
		byId("previous").disabled = offset === 0;
		byId("next").disabled = offset + conns.length >= matching;
		byId("nothing").hidden = conns.length > 0;
		setText(byId("nothing"), open === 0 ? "No connection is open." : "The filter lets none through.");
		said(true, asOf());
	}
	const asOf = () => "as of " + new Date(Date.parse(report.Time)).toLocaleTimeString();
	function said(ok, text) {
		byId("refreshed").classList.toggle("failed", !ok);
		setText(byId("refreshed"), paused ? text + ", paused" : text);
	}
	async function refresh() {
		clearTimeout(timer);
		asking?.abort();
		const mine = (asking = new AbortController());
		keepView();
		try {
			const params = new URLSearchParams({ format: "json", limit: pageSize, ...view });
			const response = await fetch("?" + params, { signal: mine.signal });
			if (!response.ok) throw new Error(await response.text());
			const got = await response.json();
			if (mine.signal.aborted) return;
			report = got;
			if (view.offset > 0 && report.Conns.length === 0 && report.Matching > 0) {
				view.offset = Math.floor((report.Matching - 1) / pageSize) * pageSize;
				return refresh();
			}
			show();
		} catch (err) {
			if (mine.signal.aborted) return;
			said(false, "not reached: " + err.message);
		}
		later();
	}
	function later() {
		clearTimeout(timer);
		if (!paused && !document.hidden) timer = setTimeout(refresh, period);
	}
	document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : paused || refresh()));

	byId("pause").addEventListener("click", () => {
		paused = !paused;
		byId("pause").setAttribute("aria-pressed", paused);
		if (paused) {
			clearTimeout(timer);
			if (report) said(true, asOf());
		} else {
			refresh();
		}
	});
	byId("filter").value = view.filter;
	byId("filter").addEventListener("input", () => {
		view.filter = byId("filter").value;
		view.offset = 0;
		refresh();
	});
	byId("previous").addEventListener("click", () => turn(-pageSize));
	byId("next").addEventListener("click", () => turn(pageSize));
	function turn(by) {
		view.offset = Math.max(0, view.offset + by);
		refresh();
	}

	// Closing.

	function askToClose(conn) {
		setText(byId("question"), "Close the connection of " + (conn.Peer || "an unknown peer") + ", number " + conn.ID + ", at once? What is queued is dropped.");
		const dialog = byId("confirm");
		dialog.returnValue = "";
		dialog.onclose = () => dialog.returnValue === "close" && close(conn);
		dialog.showModal();
	}
	async function close(conn) {
		let text = "Closed " + (conn.Peer || "#" + conn.ID) + ".";
		try {
			const body = new URLSearchParams({ server: conn.Server, id: conn.ID });
			const response = await fetch("?", { method: "POST", body });
			if (!response.ok) text = await response.text();
		} catch (err) {
			text = "Not closed: " + err.message;
		}
		setText(byId("said"), text);
		setTimeout(() => setText(byId("said"), ""), 4000);
		refresh();
	}

	showSort();
	refresh();
})();
