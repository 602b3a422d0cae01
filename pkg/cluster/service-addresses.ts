/** The IPAddress objects of Services' addresses, made and deleted in the server's own name. Upstream counterpart: `ipallocator` `createIPAddress`, `release`. */

import { addressOf } from '#pkg/api/service-address.ts';
import { ipAddresses } from '#pkg/api/types/refs.ts';
import { isNotFound, reasonOf } from '#pkg/apimachinery/status-error.ts';
import type { Client } from '#pkg/client/client.ts';
import type { AddressBook } from '#pkg/registry/core/service/ip-allocation.ts';

/** `client` is asked for with the first address: the server that it leads to is made of this. */
export function serviceAddresses(client: () => Client): AddressBook {
  return {
    async create(ip, owner) {
      try {
        await client().resource(ipAddresses).create(addressOf(ip, owner));
        return true;
      } catch (error) {
        if (reasonOf(error) === 'AlreadyExists') return false;
        throw error;
      }
    },
    async delete(ip) {
      try {
        await client().resource(ipAddresses).delete(ip);
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
    },
  };
}
