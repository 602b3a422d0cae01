/**
 * The kinds that a server serves as types of expressions, asked from its discovery and its OpenAPI documents. Keeps the last document, by the address that its hash is a
 * part of: policies come in groups that are about the same kinds. Upstream counterpart: apiserver `pkg/cel/openapi/resolver`.
 */
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { typeOfComponent } from '#pkg/cel/openapi-types.ts';
import type { Type } from '#pkg/cel/types.ts';
import type { Client } from '#pkg/client/client.ts';
import { findKind, getDocument } from '#pkg/client/discovery.ts';

/** A kind by its whole name. */
export interface KindName {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The types of one server. Not known is a kind whose server or document cannot be asked now, too. */
export class ServedTypes {
  readonly #client: Client;
  #last: { readonly url: string; readonly schemas: JsonObject } | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The kind of a resource; undefined where it is not served. */
  async kindOf(group: string, version: string, resource: string): Promise<KindName | undefined> {
    const apiVersion = group === '' ? version : `${group}/${version}`;
    const kind = await unlessRefused(findKind(this.#client, apiVersion, resource));
    return kind === undefined ? undefined : { group, version, kind };
  }

  /** The type of a kind; undefined where its schema is not known. */
  async typeOf(name: KindName): Promise<Type | undefined> {
    const schemas = await unlessRefused(this.#schemas(name));
    if (schemas === undefined) return undefined;
    const found = Object.entries(schemas).find(([, schema]) => isObject(schema) && isOf(schema, name));
    return found === undefined ? undefined : typeOfComponent(schemas, found[0]);
  }

  async #schemas({ group, version }: KindName): Promise<JsonObject | undefined> {
    const path = group === '' ? `api/${version}` : `apis/${group}/${version}`;
    const { paths } = await getDocument(this.#client, '/openapi/v3');
    const entry = isObject(paths) ? paths[path] : undefined;
    const url = isObject(entry) ? entry.serverRelativeURL : undefined;
    if (typeof url !== 'string') return undefined;
    if (this.#last?.url === url) return this.#last.schemas;
    const { components } = await getDocument(this.#client, url);
    const schemas = isObject(components) && isObject(components.schemas) ? components.schemas : {};
    // An address without a hash may have another document tomorrow.
    if (url.includes('hash=')) this.#last = { url, schemas };
    return schemas;
  }
}

function isOf(schema: JsonObject, { group, version, kind }: KindName): boolean {
  const names = schema['x-kubernetes-group-version-kind'];
  if (!Array.isArray(names)) return false;
  return names.some(
    (one: unknown) => isObject(one) && one.group === group && one.version === version && one.kind === kind,
  );
}

async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}
