/*
 * TCP as a server: listening ports and many connections, with windows, retransmission after a measured time, slow start and congestion avoidance. Bytes are at
 * the place of their sequence number in rings of pages, which come when they are needed. What comes out of order is not kept: its sender is told what is
 * missing. A process is told of each socket with news once, until it asks.
 *
 * Source: RFC 9293, 6298 (timer), 5681 (congestion), 6528 in spirit (initial numbers).
 */
#include "kernel.h"

#define RX_PAGES 4
#define TX_PAGES 8
#define RX_BYTES (RX_PAGES * PAGE)
#define TX_BYTES (TX_PAGES * PAGE)
#define BUCKETS 256
#define SEGMENT 1460u
#define RTO_MIN (HZ / 5)
#define RTO_MAX (8 * HZ)
#define TRIES 8
#define LINGER (HZ / 2)
/** Connections of a listener that wait to be accepted; who comes beyond is not answered, and asks again. */
#define BACKLOG 256

#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16

/** Where a connection is: bits say which ends are still open. */
enum stage { FREE, LISTENING, SYN_RECEIVED, OPEN, LINGERING };

struct socket {
  enum stage stage;
  struct process *owner;
  struct socket *chain;
  u8 mac[6];
  u16 port, peer_port;
  u32 peer;
  /** A listener's: connections that wait to be accepted, in order. */
  struct socket *waiting_first, *waiting_last;
  u32 waiting_count;
  /** The one behind it there. */
  struct socket *behind;
  struct socket *listener;
  /** Sent and not acknowledged; next to be sent; end of what is to be sent; the furthest ever sent. */
  u32 una, next, end, furthest, peer_window, mss;
  /** Next expected; first not yet read. */
  u32 expected, unread, told_window;
  u8 *rx[RX_PAGES], *tx[TX_PAGES];
  u8 is_told, got_fin, wants_fin, sent_fin, is_closed, is_reset, owes_ack, repeats, tries;
  u64 deadline, timeout, srtt, variance, timed_at;
  u32 timed, window, threshold;
};

static struct socket sockets[SOCKETS], *buckets[BUCKETS];
static u32 used, owing;

static u64 bucket(u32 peer, u16 peer_port, u16 port) { return (peer * 31u + peer_port * 7u + port) % BUCKETS; }

static void tell(struct socket *socket) {
  if (socket->is_told || socket->owner == NULL) return;
  struct process *owner = socket->owner;
  socket->is_told = 1;
  owner->ready[(owner->ready_first + owner->ready_count++) % SOCKETS] = (u16)(socket - sockets);
  wake(owner);
}

void tcp_told(u64 socket) { sockets[socket].is_told = 0; }

static struct socket *socket_new(void) {
  for (u32 at = 0; at < SOCKETS; at++) {
    if (sockets[at].stage != FREE || sockets[at].is_told) continue;
    memset(sockets + at, 0, sizeof sockets[at]);
    used = at >= used ? at + 1 : used;
    return sockets + at;
  }
  return NULL;
}

static void drop_pages(u8 **pages, int count) {
  for (int at = 0; at < count; at++) {
    if (pages[at] != NULL) page_drop(pages[at]);
    pages[at] = NULL;
  }
}

static void socket_free(struct socket *socket) {
  struct socket **link = &buckets[bucket(socket->peer, socket->peer_port, socket->port)];
  while (*link != NULL && *link != socket) link = &(*link)->chain;
  if (*link == socket) *link = socket->chain;
  drop_pages(socket->rx, RX_PAGES);
  drop_pages(socket->tx, TX_PAGES);
  if (socket->owes_ack) owing--;
  socket->owes_ack = 0;
  stats.connections_open--;
  socket->stage = FREE;
}

/** Copies into or out of a ring, at the place of a sequence number. 0 when memory is out. */
static int ring(u8 **pages, u64 size, u32 at, u8 *bytes, u64 length, int puts) {
  while (length > 0) {
    u64 place = at % size, inside = place % PAGE, piece = MIN(PAGE - inside, length);
    u8 **page = pages + place / PAGE;
    if (*page == NULL && (*page = page_new()) == NULL) return 0;
    if (puts) memcpy(*page + inside, bytes, piece);
    else memcpy(bytes, *page + inside, piece);
    at += (u32)piece;
    bytes += piece;
    length -= piece;
  }
  return 1;
}

static u32 receive_window(struct socket *socket) { return (u32)RX_BYTES - (socket->expected - socket->unread); }

/** Sends one segment whose data is in the frame already. */
static void segment_send(struct socket *socket, u8 *frame, u32 sequence, u8 flags, u64 data, u64 options) {
  u8 *header = frame + 34;
  u32 window = receive_window(socket);
  memset(header, 0, 20);
  put16(header, socket->port);
  put16(header + 2, socket->peer_port);
  put32(header + 4, sequence);
  put32(header + 8, socket->expected);
  header[12] = (u8)((20 + options) / 4 << 4);
  header[13] = flags;
  put16(header + 14, (u16)MIN(window, 65535u));
  socket->told_window = socket->expected + window;
  u64 length = 20 + options + data;
  u8 pseudo[12] = {0};
  put32(pseudo, net_address);
  put32(pseudo + 4, socket->peer);
  pseudo[9] = 6;
  put16(pseudo + 10, (u16)length);
  put16(header + 16, net_fold(net_sum(net_sum(0, pseudo, 12), header, length)));
  if (socket->owes_ack) owing--;
  socket->owes_ack = 0;
  ip_send(frame, socket->mac, socket->peer, 6, length);
}

static void control_send(struct socket *socket, u32 sequence, u8 flags) {
  u8 *frame = net_frame();
  if (frame == NULL) return;
  u64 options = 0;
  if (flags & SYN) {
    memcpy(frame + 54, "\x02\x04\x05\xb4", 4);
    options = 4;
  }
  segment_send(socket, frame, sequence, flags, 0, options);
}

/** Refuses a segment that belongs to nothing. */
static void refuse(const u8 *mac, u32 from, const u8 *segment, u64 data) {
  struct socket nobody = {.port = get16(segment + 2), .peer_port = get16(segment), .peer = from};
  if (segment[13] & RST) return;
  memcpy(nobody.mac, mac, 6);
  nobody.expected = get32(segment + 4) + (u32)data + (segment[13] & (SYN | FIN) ? 1 : 0);
  control_send(&nobody, segment[13] & ACK ? get32(segment + 8) : 0, RST | ACK);
}

static void arm(struct socket *socket, u64 time) {
  socket->deadline = socket->una == socket->furthest ? 0 : time + socket->timeout;
}

/** Sends what window and congestion allow. */
static void push(struct socket *socket, u64 time) {
  if (socket->stage != OPEN || socket->sent_fin) return;
  while (!socket->sent_fin) {
    u32 under_way = socket->next - socket->una, allowed = MIN(socket->peer_window, socket->window);
    u32 size = MIN(MIN(socket->end - socket->next, allowed > under_way ? allowed - under_way : 0), socket->mss);
    // A closed window is asked about with one byte, when the timer says so.
    if (size == 0 && socket->peer_window == 0 && under_way == 0 && socket->end != socket->next) {
      if (socket->deadline == 0) socket->deadline = time + socket->timeout;
      return;
    }
    int finishes = socket->wants_fin && !socket->sent_fin && socket->next + size == socket->end;
    if (size == 0 && !finishes) return;
    u8 *frame = net_frame();
    if (frame == NULL) {
      if (socket->deadline == 0) socket->deadline = time + HZ / 1000;
      return;
    }
    ring(socket->tx, TX_BYTES, socket->next, frame + 54, size, 0);
    u8 flags = ACK | (finishes ? FIN : 0) | (size > 0 && socket->next + size == socket->end ? PSH : 0);
    if (socket->timed_at == 0 && socket->next == socket->furthest) {
      socket->timed = socket->next + size;
      socket->timed_at = time;
    }
    segment_send(socket, frame, socket->next, flags, size, 0);
    socket->next += size + (finishes ? 1u : 0u);
    if (finishes) socket->sent_fin = 1;
    if ((i32)(socket->next - socket->furthest) > 0) socket->furthest = socket->next;
    if (socket->deadline == 0) arm(socket, time);
  }
}

/** Goes back to what is not acknowledged, and sends from there again. */
static void again(struct socket *socket, u64 time) {
  stats.retransmissions++;
  socket->next = socket->una;
  socket->sent_fin = 0;
  socket->timed_at = 0;
  socket->deadline = 0;
  push(socket, time);
}

static void measured(struct socket *socket, u64 took) {
  if (socket->srtt == 0) {
    socket->srtt = took;
    socket->variance = took / 2;
  } else {
    u64 off_by = took > socket->srtt ? took - socket->srtt : socket->srtt - took;
    socket->variance = (3 * socket->variance + off_by) / 4;
    socket->srtt = (7 * socket->srtt + took) / 8;
  }
  socket->timeout = socket->srtt + 4 * socket->variance;
  if (socket->timeout < RTO_MIN) socket->timeout = RTO_MIN;
}

static void connection_new(struct socket *listener, const u8 *mac, u32 from, const u8 *segment, u64 options) {
  struct socket *socket = listener->waiting_count < BACKLOG ? socket_new() : NULL;
  // Without room it is not answered, and asked again.
  if (socket == NULL) return;
  socket->stage = SYN_RECEIVED;
  socket->listener = listener;
  memcpy(socket->mac, mac, 6);
  socket->port = get16(segment + 2);
  socket->peer_port = get16(segment);
  socket->peer = from;
  socket->mss = 536;
  for (u64 at = 20; at + 3 < 20 + options && segment[at] != 0; at += segment[at] == 1 ? 1 : segment[at + 1] < 2 ? 40 : segment[at + 1])
    if (segment[at] == 2) socket->mss = MIN(get16(segment + at + 2), SEGMENT);
  if (socket->mss < 64) socket->mss = 64;
  socket->expected = socket->unread = get32(segment + 4) + 1;
  u64 time = now();
  socket->una = (u32)(time * 2654435761u) ^ from ^ socket->peer_port;
  socket->next = socket->end = socket->furthest = socket->una + 1;
  socket->window = 10 * socket->mss;
  socket->threshold = 65535;
  socket->timeout = HZ;
  socket->deadline = time + HZ;
  struct socket **head = &buckets[bucket(from, socket->peer_port, socket->port)];
  socket->chain = *head;
  *head = socket;
  stats.connections_open++;
  control_send(socket, socket->una, SYN | ACK);
}

static void acknowledged(struct socket *socket, u32 number, u32 window, int is_bare, u64 time) {
  u32 fresh = number - socket->una;
  if (fresh > socket->furthest - socket->una) return;
  int is_repeat = fresh == 0 && is_bare && window == socket->peer_window && socket->una != socket->furthest;
  socket->peer_window = window;
  if (fresh > 0) {
    socket->una = number;
    if ((i32)(socket->next - number) < 0) socket->next = number;
    socket->repeats = socket->tries = 0;
    if (socket->timed_at != 0 && (i32)(number - socket->timed) >= 0) {
      measured(socket, time - socket->timed_at);
      socket->timed_at = 0;
    }
    socket->window += socket->window < socket->threshold ? fresh : socket->mss * socket->mss / socket->window + 1;
    if (socket->window > 1 << 20) socket->window = 1 << 20;
    arm(socket, time);
    if (!socket->is_closed) tell(socket);
  } else if (is_repeat && ++socket->repeats == 3) {
    socket->threshold = MIN(socket->furthest - socket->una, socket->window) / 2;
    if (socket->threshold < 2 * socket->mss) socket->threshold = 2 * socket->mss;
    socket->window = socket->threshold;
    again(socket, time);
  }
}

/** What came in order is kept; anything else is answered with what is expected. */
static void take(struct socket *socket, u32 sequence, const u8 *data, u64 length, int finishes) {
  u32 old = socket->expected - sequence;
  int is_due = old <= length;
  if (length == 0 && !finishes) {
    if (sequence == socket->expected) return;
    // A question whether this end still lives: about the byte before.
  } else if (is_due && !socket->got_fin) {
    u64 fresh = MIN(length - old, (u64)receive_window(socket));
    if (socket->is_closed) fresh = length - old;
    else if (fresh > 0 && !ring(socket->rx, RX_BYTES, socket->expected, (u8 *)data + old, fresh, 1)) fresh = 0;
    socket->expected += (u32)fresh;
    if (socket->is_closed) socket->unread = socket->expected;
    if (finishes && fresh == length - old) {
      socket->expected++;
      socket->got_fin = 1;
    }
    if (!socket->is_closed && (fresh > 0 || socket->got_fin)) tell(socket);
    if (fresh == length - old && !socket->got_fin && !socket->owes_ack) {
      socket->owes_ack = 1;
      owing++;
      return;
    }
  }
  control_send(socket, socket->next, ACK);
}

static void opened(struct socket *socket) {
  struct socket *listener = socket->listener;
  socket->stage = OPEN;
  socket->deadline = 0;
  socket->tries = 0;
  socket->timeout = RTO_MIN * 5;
  if (listener->stage != LISTENING || listener->waiting_count >= BACKLOG) {
    control_send(socket, socket->next, RST | ACK);
    socket_free(socket);
    return;
  }
  stats.connections++;
  if (listener->waiting_count++ == 0) listener->waiting_first = socket;
  else listener->waiting_last->behind = socket;
  listener->waiting_last = socket;
  tell(listener);
}

/** A connection whose both ends are done is kept a while, to answer who has not heard so. */
static void settle(struct socket *socket, u64 time) {
  if (socket->stage == OPEN && socket->is_closed && socket->sent_fin && socket->una == socket->furthest && socket->next == socket->furthest) {
    if (!socket->got_fin && socket->deadline == 0) socket->deadline = time + 60 * HZ;
    if (!socket->got_fin) return;
    socket->stage = LINGERING;
    socket->deadline = time + LINGER;
    drop_pages(socket->rx, RX_PAGES);
    drop_pages(socket->tx, TX_PAGES);
  }
}

static void broken(struct socket *socket) {
  if (socket->is_closed || socket->owner == NULL) {
    // One that waits to be accepted stays until it is, and is then found broken.
    if (!socket->is_closed && socket->stage == OPEN) socket->is_reset = 1;
    else socket_free(socket);
    return;
  }
  socket->is_reset = 1;
  socket->deadline = 0;
  tell(socket);
}

void tcp_receive(const u8 *mac, u32 from, const u8 *segment, u64 length) {
  u8 pseudo[12] = {0};
  if (length < 20) return;
  put32(pseudo, from);
  put32(pseudo + 4, net_address);
  pseudo[9] = 6;
  put16(pseudo + 10, (u16)length);
  u64 header = (u64)(segment[12] >> 4) * 4;
  if (header < 20 || header > length || net_fold(net_sum(net_sum(0, pseudo, 12), segment, length)) != 0) return;
  u16 peer_port = get16(segment), port = get16(segment + 2);
  u8 flags = segment[13];
  u32 sequence = get32(segment + 4);
  u64 time = now();
  struct socket *socket = buckets[bucket(from, peer_port, port)];
  while (socket != NULL && (socket->peer != from || socket->peer_port != peer_port || socket->port != port)) socket = socket->chain;
  if (socket != NULL && socket->stage == LINGERING && flags & SYN) {
    socket_free(socket);
    socket = NULL;
  }
  if (socket == NULL) {
    for (u32 at = 0; at < used && (flags & (SYN | ACK | RST)) == SYN; at++)
      if (sockets[at].stage == LISTENING && sockets[at].port == port) return connection_new(sockets + at, mac, from, segment, header - 20);
    return refuse(mac, from, segment, length - header);
  }
  // Where the answers go may have moved.
  memcpy(socket->mac, mac, 6);
  if (flags & RST) {
    if (sequence - socket->expected < 65535u) broken(socket);
    return;
  }
  if (flags & SYN) {
    if (socket->stage == SYN_RECEIVED) control_send(socket, socket->una, SYN | ACK);
    else control_send(socket, socket->next, ACK);
    return;
  }
  if (!(flags & ACK) || socket->is_reset) return;
  u32 number = get32(segment + 8);
  if (socket->stage == SYN_RECEIVED) {
    if (number != socket->next) return refuse(mac, from, segment, length - header);
    socket->una = number;
    socket->peer_window = get16(segment + 14);
    opened(socket);
    if (socket->stage != OPEN) return;
  }
  u64 data = length - header;
  acknowledged(socket, number, get16(segment + 14), data == 0 && !(flags & FIN), time);
  take(socket, sequence, segment + header, data, flags & FIN);
  push(socket, time);
  settle(socket, time);
}

static void expired(struct socket *socket, u64 time) {
  socket->deadline = 0;
  if (socket->stage == LINGERING) return socket_free(socket);
  if (socket->stage == OPEN && socket->is_closed && socket->una == socket->furthest && socket->sent_fin) return socket_free(socket);
  if (socket->stage == OPEN && socket->una == socket->furthest) {
    // Nothing is under way: either no frame was to be had, or the window is closed and is asked about with one byte.
    if (socket->peer_window == 0 && socket->end != socket->next) {
      socket->peer_window = 1;
      socket->timeout = MIN(socket->timeout * 2, RTO_MAX);
    }
    return push(socket, time);
  }
  if (++socket->tries > TRIES) return broken(socket);
  socket->timeout = MIN(socket->timeout * 2, RTO_MAX);
  if (socket->stage == SYN_RECEIVED) {
    control_send(socket, socket->una, SYN | ACK);
    socket->deadline = time + socket->timeout;
    return;
  }
  socket->threshold = (socket->furthest - socket->una) / 2;
  if (socket->threshold < 2 * socket->mss) socket->threshold = 2 * socket->mss;
  socket->window = socket->mss;
  again(socket, time);
}

u64 tcp_tick(u64 time) {
  u64 next = NEVER;
  for (u32 at = 0; at < used; at++) {
    struct socket *socket = sockets + at;
    if (socket->stage <= LISTENING || socket->deadline == 0) continue;
    if (socket->deadline <= time) expired(socket, time);
    if (socket->stage > LISTENING && socket->deadline != 0) next = MIN(next, socket->deadline);
  }
  return next;
}

void tcp_flush(void) {
  for (u32 at = 0; at < used && owing > 0; at++)
    if (sockets[at].stage > LISTENING && sockets[at].owes_ack) control_send(sockets + at, sockets[at].next, ACK);
}

static struct socket *own(u64 number, enum stage stage) {
  struct socket *socket = sockets + number;
  return number < SOCKETS && socket->stage == stage && socket->owner == current && !socket->is_closed ? socket : NULL;
}

i64 tcp_listen(u16 port) {
  for (u32 at = 0; at < used; at++)
    if (sockets[at].stage == LISTENING && sockets[at].port == port) return FULL;
  struct socket *socket = socket_new();
  if (socket == NULL) return FULL;
  socket->stage = LISTENING;
  socket->port = port;
  socket->owner = current;
  return socket - sockets;
}

static struct socket *take_waiting(struct socket *listener) {
  struct socket *socket = listener->waiting_first;
  listener->waiting_first = socket->behind;
  listener->waiting_count--;
  return socket;
}

i64 tcp_accept(u64 number) {
  struct socket *listener = own(number, LISTENING);
  if (listener == NULL) return NOTHING;
  if (listener->waiting_count == 0) return AGAIN;
  struct socket *socket = take_waiting(listener);
  socket->owner = current;
  // What came before it was accepted.
  tell(socket);
  return socket - sockets;
}

i64 tcp_recv(u64 number, u64 to, u64 length) {
  struct socket *socket = own(number, OPEN);
  if (socket == NULL) return NOTHING;
  u64 there = socket->expected - socket->unread - (socket->got_fin ? 1u : 0u);
  if (there == 0) return socket->is_reset ? GONE : socket->got_fin ? 0 : AGAIN;
  length = MIN(length, there);
  for (u64 done = 0; done < length;) {
    u64 place = (socket->unread + done) % RX_BYTES, piece = MIN(PAGE - place % PAGE, length - done);
    if (!copy_out(to + done, socket->rx[place / PAGE] + place % PAGE, piece)) return NOTHING;
    done += piece;
  }
  socket->unread += (u32)length;
  // Room is told of when it has become worth it.
  if (socket->expected + receive_window(socket) - socket->told_window >= RX_BYTES / 2) control_send(socket, socket->next, ACK);
  return (i64)length;
}

i64 tcp_send(u64 number, u64 from, u64 length) {
  struct socket *socket = own(number, OPEN);
  if (socket == NULL) return NOTHING;
  if (socket->is_reset) return GONE;
  u64 room = TX_BYTES - (socket->end - socket->una);
  if (room == 0) return AGAIN;
  length = MIN(length, room);
  for (u64 done = 0; done < length;) {
    u64 place = (socket->end + done) % TX_BYTES, piece = MIN(PAGE - place % PAGE, length - done);
    u8 **page = socket->tx + place / PAGE;
    if (*page == NULL && (*page = page_new()) == NULL) {
      if (done == 0) return FULL;
      length = done;
      break;
    }
    if (!copy_in(*page + place % PAGE, from + done, piece)) return NOTHING;
    done += piece;
  }
  socket->end += (u32)length;
  push(socket, now());
  return (i64)length;
}

static void close_now(struct socket *socket) {
  socket->is_closed = 1;
  socket->owner = NULL;
  if (socket->is_reset) return socket_free(socket);
  // Unread bytes: the sender is told that nobody will (RFC 9293, 3.6.1).
  if (socket->expected - socket->unread > (socket->got_fin ? 1u : 0u)) {
    control_send(socket, socket->next, RST | ACK);
    return socket_free(socket);
  }
  socket->wants_fin = 1;
  push(socket, now());
}

i64 tcp_close(u64 number) {
  struct socket *socket = own(number, OPEN);
  if (socket == NULL) return NOTHING;
  close_now(socket);
  return 0;
}

i64 tcp_claim(u64 number) {
  if (number >= SOCKETS || sockets[number].stage != OPEN || sockets[number].is_closed) return NOTHING;
  struct socket *socket = sockets + number;
  struct process *before = socket->owner;
  // News that its owner has not asked for go along.
  u32 count = before == NULL ? 0 : before->ready_count;
  for (u32 at = 0; at < count; at++) {
    u16 entry = before->ready[before->ready_first];
    before->ready_first = (before->ready_first + 1) % SOCKETS;
    before->ready_count--;
    if (entry != number) before->ready[(before->ready_first + before->ready_count++) % SOCKETS] = entry;
  }
  socket->is_told = 0;
  socket->owner = current;
  tell(socket);
  return 0;
}

void tcp_orphans(struct process *process) {
  for (; process->ready_count > 0; process->ready_count--) {
    sockets[process->ready[process->ready_first]].is_told = 0;
    process->ready_first = (process->ready_first + 1) % SOCKETS;
  }
  for (u32 at = 0; at < used; at++) {
    struct socket *socket = sockets + at;
    if (socket->owner != process || socket->stage == FREE) continue;
    if (socket->stage == LISTENING) {
      while (socket->waiting_count > 0) close_now(take_waiting(socket));
      socket->stage = FREE;
      socket->owner = NULL;
    } else close_now(socket);
  }
}
