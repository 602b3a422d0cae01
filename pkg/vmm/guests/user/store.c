/*
 * A key-value store over HTTP: PUT, GET and DELETE of /KEY, /stats, /healthz. Values are in memory, and with a disk also in a log on it, which is read at the
 * start: one sector with the key and the length, then the value. A store whose memory or disk is full says so and keeps what it has.
 */
#include "http.h"

#define VALUE_BYTES (1ul << 20)
#define BUCKETS 4096
#define MAGIC 0x31766b637378766dul

struct entry {
  struct entry *next;
  u8 *value;
  u64 length;
  char key[];
};

struct record {
  u64 magic, length, is_deleted;
  char key[128];
  u8 rest[512 - 152];
};

static struct entry *entries[BUCKETS];
static u64 keys, value_bytes, gets, puts, disk_at;
static int disk_is_full;
static u8 page[PAGE] __attribute__((aligned(4096)));

static struct entry **find(const char *key) {
  u64 hash = 5381;
  for (const char *at = key; *at != 0; at++) hash = hash * 33 + (u8)*at;
  struct entry **link = entries + hash % BUCKETS;
  while (*link != NULL && !streq((*link)->key, key)) link = &(*link)->next;
  return link;
}

static int put(const char *key, u8 *value, u64 length) {
  struct entry **link = find(key);
  if (*link == NULL) {
    struct entry *entry = allocate(sizeof *entry + strlen(key) + 1);
    if (entry == NULL) return 0;
    *entry = (struct entry){NULL, NULL, 0};
    memcpy(entry->key, key, strlen(key) + 1);
    *link = entry;
    keys++;
  }
  struct entry *entry = *link;
  value_bytes += length - entry->length;
  release(entry->value);
  entry->value = value;
  entry->length = length;
  return 1;
}

static int forget(const char *key) {
  struct entry **link = find(key), *entry = *link;
  if (entry == NULL) return 0;
  *link = entry->next;
  keys--;
  value_bytes -= entry->length;
  release(entry->value);
  release(entry);
  return 1;
}

/** Adds to the log; 0 when the disk is full. Without a disk there is nothing to do. */
static int log_change(const char *key, const u8 *value, u64 length, int is_deleted) {
  if (disk_is_full) return 0;
  struct record *record = (struct record *)page;
  memset(page, 0, 512);
  *record = (struct record){.magic = MAGIC, .length = length, .is_deleted = (u64)is_deleted};
  format(record->key, sizeof record->key, "%s", key);
  // The value first and its head last: what was cut off in between is not there.
  u64 sectors = (length + 511) / 512;
  static u8 piece[PAGE] __attribute__((aligned(4096)));
  for (u64 at = 0; at < sectors; at += 8) {
    u64 count = MIN(sectors - at, 8ul);
    memset(piece, 0, PAGE);
    memcpy(piece, value + at * 512, MIN(length - at * 512, PAGE));
    i64 written = call(CALL_DISK, 1, disk_at + 1 + at, piece, count);
    if (written == NOTHING && disk_at + at == 0) return 1;
    if (written < 0) disk_is_full = 1;
    if (written < 0) return 0;
  }
  i64 written = call(CALL_DISK, 1, disk_at, page, 1);
  if (written < 0 && disk_at == 0) return 1;
  if (written < 0) disk_is_full = 1;
  else disk_at += 1 + sectors;
  return written >= 0;
}

static void read_log(void) {
  struct record *record = (struct record *)page;
  while (call(CALL_DISK, 0, disk_at, page, 1) == 1 && record->magic == MAGIC && record->length <= VALUE_BYTES) {
    char key[128];
    u64 length = record->length, sectors = (length + 511) / 512;
    memcpy(key, record->key, sizeof key);
    if (record->is_deleted) forget(key);
    else {
      u8 *value = allocate(length);
      if (value == NULL) break;
      for (u64 at = 0; at < sectors; at += 8) {
        if (call(CALL_DISK, 0, disk_at + 1 + at, page, MIN(sectors - at, 8ul)) < 0) break;
        memcpy(value + at * 512, page, MIN(length - at * 512, PAGE));
      }
      put(key, value, length);
    }
    disk_at += 1 + sectors;
  }
  if (keys > 0) say("store: %u keys from the disk\n", keys);
}

static void text(struct connection *connection, const char *status, const char *body) {
  reply(connection, status, "text/plain", body, strlen(body), 0);
}

static void tell_stats(struct connection *connection, int is_head) {
  struct stats stats;
  char body[1200];
  call(CALL_STATS, &stats, sizeof stats);
  u64 length = format(body, sizeof body,
    "{\"ticks\":%u,\"keys\":%u,\"valueBytes\":%u,\"gets\":%u,\"puts\":%u,\"pages\":%u,\"pagesFree\":%u,\"pagesBallooned\":%u,\"processes\":%u,"
    "\"switches\":%u,\"calls\":%u,\"pageFaults\":%u,\"copiesOnWrite\":%u,\"interrupts\":%u,\"timerInterrupts\":%u,",
    stats.ticks, keys, value_bytes, gets, puts, stats.pages, stats.pages_free, stats.pages_ballooned, stats.processes, stats.switches, stats.calls,
    stats.page_faults, stats.copies_on_write, stats.interrupts, stats.timer_interrupts);
  length += format(body + length, sizeof body - length,
    "\"framesIn\":%u,\"framesOut\":%u,\"framesLost\":%u,\"connections\":%u,\"connectionsOpen\":%u,\"retransmissions\":%u,\"sectorsRead\":%u,"
    "\"sectorsWritten\":%u}\n",
    stats.frames_in, stats.frames_out, stats.frames_lost, stats.connections, stats.connections_open, stats.retransmissions, stats.sectors_read,
    stats.sectors_written);
  reply(connection, "200 OK", "application/json", body, length, is_head);
}

static void get(struct connection *connection, const char *path, int is_head) {
  if (streq(path, "/healthz")) return text(connection, "200 OK", "ok\n");
  if (streq(path, "/stats")) return tell_stats(connection, is_head);
  if (streq(path, "/")) return text(connection, "200 OK", "A key-value store on a machine of its own: PUT, GET and DELETE /KEY; /stats, /healthz\n");
  gets++;
  struct entry *entry = *find(path + 1);
  if (entry == NULL) return text(connection, "404 Not Found", "no such key\n");
  reply(connection, "200 OK", "application/octet-stream", entry->value, entry->length, is_head);
}

static void stored(struct connection *connection) {
  u8 *value = connection->body;
  u64 length = connection->body_length;
  connection->body = NULL;
  puts++;
  if (!log_change(connection->key, value, length, 0) || !put(connection->key, value, length)) {
    release(value);
    return text(connection, "507 Insufficient Storage", "no room\n");
  }
  reply(connection, "204 No Content", "text/plain", "", 0, 0);
}

static int take(struct connection *connection) {
  if (connection->body != NULL) {
    if (connection->body_at < connection->body_length) return 0;
    if (connection->is_last) connection->closes = 1;
    stored(connection);
    return 1;
  }
  struct request request;
  i64 head = connection->closes ? 0 : read_head(connection, &request);
  if (head == 0) return 0;
  if (head > 0) take_away(connection, (u64)head);
  int is_put = head > 0 && streq(request.method, "PUT");
  if (head < 0 || request.path[0] != '/' || request.length > VALUE_BYTES || (!is_put && request.length > connection->in_length)) {
    connection->closes = 1;
    text(connection, head > 0 && request.length > VALUE_BYTES ? "413 Content Too Large" : "400 Bad Request", "no request that is answered here\n");
    return 0;
  }
  if (is_put) {
    connection->is_last = !request.keeps;
    connection->body = allocate(request.length + 1);
    if (connection->body == NULL) {
      connection->closes = 1;
      text(connection, "507 Insufficient Storage", "no room\n");
      return 0;
    }
    connection->body_length = request.length;
    connection->body_at = MIN(request.length, connection->in_length);
    memcpy(connection->body, connection->in, connection->body_at);
    take_away(connection, connection->body_at);
    format(connection->key, sizeof connection->key, "%s", request.path + 1);
    return 1;
  }
  if (!request.keeps) connection->closes = 1;
  take_away(connection, request.length);
  if (streq(request.method, "GET") || streq(request.method, "HEAD")) get(connection, request.path, request.method[0] == 'H');
  else if (streq(request.method, "DELETE")) {
    log_change(request.path + 1, NULL, 0, 1);
    text(connection, forget(request.path + 1) ? "200 OK" : "404 Not Found", "gone\n");
  } else text(connection, "405 Method Not Allowed", "only GET, HEAD, PUT and DELETE\n");
  return 1;
}

void serve(void) {
  read_log();
  serve_port((u16)argument_number("port", 8080), take);
}
