/*
 * Ethernet, ARP, IPv4 and ICMP below TCP. The address is static, from the command line: `ip=10.0.2.15/24 gw=10.0.2.2`. Answers go to the hardware address that
 * the question came from, so nothing has to be asked for to serve. Fragments and options are not taken.
 *
 * Source: RFC 826, 791, 792, 1071.
 */
#include "kernel.h"

u32 net_address;

u32 get32(const u8 *at) { return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3]; }
u16 get16(const u8 *at) { return (u16)(at[0] << 8 | at[1]); }

void put32(u8 *at, u32 value) {
  put16(at, (u16)(value >> 16));
  put16(at + 2, (u16)value);
}

void put16(u8 *at, u16 value) {
  at[0] = (u8)(value >> 8);
  at[1] = (u8)value;
}

/** The sum of 16-bit words as they lie in memory, whose bytes are the other way round: `net_fold` turns them. */
u32 net_sum(u32 sum, const void *bytes, u64 length) {
  const u16 *word = bytes;
  u64 wide = sum;
  for (; length >= 8; length -= 8, word += 4) wide += (u64)word[0] + word[1] + word[2] + word[3];
  for (; length >= 2; length -= 2) wide += *word++;
  if (length > 0) wide += *(const u8 *)word;
  wide = (wide & 0xffffffff) + (wide >> 32);
  return (u32)((wide & 0xffffffff) + (wide >> 32));
}

u16 net_fold(u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (u16)~(sum << 8 | (sum & 0xffff) >> 8);
}

static void send_arp(const u8 *mac, u32 to, u16 operation) {
  u8 *frame = net_frame();
  if (frame == NULL) return;
  memcpy(frame, mac, 6);
  memcpy(frame + 6, net_mac, 6);
  memcpy(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04", 8);
  put16(frame + 20, operation);
  memcpy(frame + 22, net_mac, 6);
  put32(frame + 28, net_address);
  memcpy(frame + 32, mac, 6);
  put32(frame + 38, to);
  net_send(frame, 42);
}

void net_start(const char *arguments) {
  const char *text = argument(arguments, "ip");
  for (int part = 0; text != NULL && part < 4; part++, text++) net_address = net_address << 8 | ((u32)number(&text) & 255);
  // Says where the address is to whoever had another machine there before (RFC 5227).
  if (net_is_there && net_address != 0) send_arp((const u8 *)"\xff\xff\xff\xff\xff\xff", net_address, 1);
}

void ip_send(u8 *frame, const u8 *mac, u32 to, u8 protocol, u64 length) {
  static u16 id;
  u8 *header = frame + 14;
  memcpy(frame, mac, 6);
  memcpy(frame + 6, net_mac, 6);
  put16(frame + 12, 0x0800);
  put16(header, 0x4500);
  put16(header + 2, (u16)(length + 20));
  put16(header + 4, id++);
  put16(header + 6, 0x4000);
  header[8] = 64;
  header[9] = protocol;
  put16(header + 10, 0);
  put32(header + 12, net_address);
  put32(header + 16, to);
  put16(header + 10, net_fold(net_sum(0, header, 20)));
  net_send(frame, length + 34);
}

/** Answers who asks whether anybody is there. */
static void receive_icmp(const u8 *mac, u32 from, const u8 *message, u64 length) {
  if (length < 8 || message[0] != 8 || net_fold(net_sum(0, message, length)) != 0) return;
  u8 *frame = net_frame();
  if (frame == NULL) return;
  memcpy(frame + 34, message, length);
  frame[34] = 0;
  put16(frame + 36, 0);
  put16(frame + 36, net_fold(net_sum(0, frame + 34, length)));
  ip_send(frame, mac, from, 1, length);
}

/** Nobody takes datagrams: says so, so that who sends them knows. */
static void refuse_udp(const u8 *mac, u32 from, const u8 *packet) {
  u8 *frame = net_frame();
  if (frame == NULL) return;
  memset(frame + 34, 0, 8);
  frame[34] = 3;
  frame[35] = 3;
  memcpy(frame + 42, packet, 28);
  put16(frame + 36, net_fold(net_sum(0, frame + 34, 36)));
  ip_send(frame, mac, from, 1, 36);
}

void net_receive(u8 *frame, u64 length) {
  if (length < 42 || length > 1514) return;
  u16 kind = get16(frame + 12);
  if (kind == 0x0806) {
    if (get16(frame + 20) == 1 && get32(frame + 38) == net_address && get32(frame + 28) != net_address) send_arp(frame + 22, get32(frame + 28), 2);
    return;
  }
  u8 *header = frame + 14;
  u64 total = get16(header + 2);
  if (kind != 0x0800 || header[0] != 0x45 || total < 28 || total > length - 14 || get32(header + 16) != net_address) return;
  // More fragments, or not the first.
  if ((get16(header + 6) & 0x3fff) != 0 || net_fold(net_sum(0, header, 20)) != 0) return;
  if (header[9] == 6) tcp_receive(frame + 6, get32(header + 12), header + 20, total - 20);
  else if (header[9] == 1) receive_icmp(frame + 6, get32(header + 12), header + 20, total - 20);
  else if (header[9] == 17) refuse_udp(frame + 6, get32(header + 12), header);
}
