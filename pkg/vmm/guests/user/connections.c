/* A loop over one listener and its connections: bytes in, answers out, nobody waits for another. Whoever sends what is no request is closed. */
#include "user.h"

#define CONNECTIONS 512
/** Answers of one connection that wait to be sent; with more, nothing further is read from it. */
#define OUT_BYTES 65536

static struct connection *connections[CONNECTIONS];

static void forget(struct connection *connection) {
  connections[connection->socket] = NULL;
  call(CALL_CLOSE, connection->socket);
  release(connection->in);
  release(connection->out);
  release(connection->body);
  release(connection);
}

void answer(struct connection *connection, u8 *bytes, u64 length) {
  if (bytes == NULL) {
    connection->closes = 1;
    return;
  }
  if (connection->out == NULL) {
    connection->out = bytes;
    connection->out_length = length;
    connection->out_at = 0;
    return;
  }
  u64 left = connection->out_length - connection->out_at;
  u8 *both = allocate(left + length);
  if (both != NULL) {
    memcpy(both, connection->out + connection->out_at, left);
    memcpy(both + left, bytes, length);
  } else connection->closes = 1;
  release(connection->out);
  release(bytes);
  connection->out = both;
  connection->out_length = both == NULL ? 0 : left + length;
  connection->out_at = 0;
}

/** 0: the connection has gone. */
static int send_out(struct connection *connection) {
  while (connection->out != NULL) {
    i64 sent = call(CALL_SEND, connection->socket, connection->out + connection->out_at, connection->out_length - connection->out_at);
    if (sent == AGAIN || sent == FULL) return 1;
    if (sent < 0) return 0;
    connection->out_at += (u64)sent;
    if (connection->out_at < connection->out_length) continue;
    release(connection->out);
    connection->out = NULL;
  }
  return !connection->closes;
}

static int receive(struct connection *connection) {
  for (;;) {
    if (connection->out != NULL && connection->out_length - connection->out_at > OUT_BYTES) return 1;
    int fills_body = connection->body != NULL && connection->body_at < connection->body_length;
    u8 *to = fills_body ? connection->body + connection->body_at : connection->in + connection->in_length;
    u64 room = fills_body ? connection->body_length - connection->body_at : IN_BYTES - connection->in_length;
    if (room == 0) return 0;
    i64 got = call(CALL_RECV, connection->socket, to, room);
    if (got == AGAIN) return 1;
    if (got <= 0) {
      connection->closes = 1;
      return got == 0;
    }
    if (fills_body) connection->body_at += (u64)got;
    else connection->in_length += (u64)got;
    return 2;
  }
}

static void run(struct connection *connection, taker take) {
  int is_there;
  do {
    is_there = receive(connection);
    while (is_there != 0 && take(connection)) continue;
    if (is_there != 0 && !send_out(connection)) is_there = 0;
  } while (is_there == 2);
  if (is_there == 0) forget(connection);
}

static void accept_all(i64 listener, taker take) {
  for (i64 socket; (socket = call(CALL_ACCEPT, listener)) >= 0;) {
    struct connection *connection = allocate(sizeof *connection);
    if (connection != NULL) {
      memset(connection, 0, sizeof *connection);
      connection->socket = (u64)socket;
      connection->in = allocate(IN_BYTES);
    }
    if (connection == NULL || connection->in == NULL) {
      release(connection);
      call(CALL_CLOSE, socket);
      continue;
    }
    connections[socket] = connection;
    run(connection, take);
  }
}

void serve_port(u16 port, taker take) {
  static u16 ready[64];
  i64 listener = call(CALL_LISTEN, port);
  if (listener < 0) {
    say("server: port %u cannot be listened on\n", (u64)port);
    call(CALL_EXIT, 1);
  }
  say("server: listens on port %u\n", (u64)port);
  for (;;) {
    i64 count = call(CALL_READY, ready, 64, ~0ul);
    for (i64 at = 0; at < count; at++) {
      if (ready[at] == listener) accept_all(listener, take);
      else if (connections[ready[at]] != NULL) run(connections[ready[at]], take);
    }
  }
}
