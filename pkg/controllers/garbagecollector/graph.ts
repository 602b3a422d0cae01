/**
 * Who owns whom, by uid, as far as the watched resources show it. Pure bookkeeping: it says which objects need a look, and
 * decides nothing. An owner that is named but was not seen is in it as a virtual node until it is seen or proved absent.
 * Upstream counterpart: `pkg/controller/garbagecollector/graph_builder.go`.
 */
import type { KubeObject, OwnerReference, ResourceRef } from '#pkg/apimachinery/object.ts';

/** Keeps an owner until the dependents that block it are gone. */
export const foregroundFinalizer = 'foregroundDeletion';
/** Keeps an owner until its dependents no longer name it. */
export const orphanFinalizer = 'orphan';

/** One object of the graph; virtual as long as only its dependents tell of it. */
export interface GraphNode {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Undefined for a virtual node. */
  readonly ref: ResourceRef | undefined;
  owners: readonly OwnerReference[];
  readonly dependents: Set<string>;
  /** It has a deletionTimestamp. */
  isBeingDeleted: boolean;
  /** It waits for its dependents, by the foreground finalizer. */
  isDeletingDependents: boolean;
  /** Its dependents are to be orphaned, by the orphan finalizer. */
  isOrphaning: boolean;
}

/** Who is told what needs a look. Called synchronously. */
export interface GraphSink {
  attemptToDelete(uid: string): void;
  /** The object names an owner that was not seen: perhaps not yet, perhaps it is not watched, perhaps it never existed. */
  verifyOwners(uid: string): void;
  /** The object names an owner that is in another namespace, where it cannot own it. */
  misplacedOwner(node: GraphNode, owner: OwnerReference): void;
  /** A watched object is gone. */
  removed(node: GraphNode): void;
  attemptToOrphan(uid: string): void;
}

/** The graph; tells its sink of each object that needs a look. */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #sink: GraphSink;

  constructor(sink: GraphSink) {
    this.#sink = sink;
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  get size(): number {
    return this.#nodes.size;
  }

  /** An object as it was seen now. */
  observe(ref: ResourceRef, object: KubeObject): void {
    const uid = object.metadata?.uid;
    if (uid === undefined) return;
    const known = this.#nodes.get(uid);
    const node = known?.ref === undefined ? this.#insert(ref, object, known?.dependents) : known;
    const owners = object.metadata?.ownerReferences ?? [];
    if (!sameOwners(node.owners, owners)) this.#setOwners(node, owners);
    this.#setState(node, object);
  }

  /** An object that is gone, or was proved not to be there. */
  remove(uid: string): void {
    const node = this.#nodes.get(uid);
    if (node === undefined) return;
    this.#nodes.delete(uid);
    for (const owner of node.owners) {
      const ownerNode = this.#nodes.get(owner.uid);
      if (ownerNode === undefined) continue;
      ownerNode.dependents.delete(uid);
      if (ownerNode.isDeletingDependents) this.#sink.attemptToDelete(owner.uid);
      this.#dropIfUnused(ownerNode);
    }
    for (const dependent of node.dependents) this.#sink.attemptToDelete(dependent);
    if (node.ref !== undefined) this.#sink.removed(node);
  }

  /** Whether an object names an owner that has not been seen. */
  hasUnseenOwner(uid: string): boolean {
    const owners = this.#nodes.get(uid)?.owners ?? [];
    return owners.some((owner) => this.#nodes.get(owner.uid)?.ref === undefined);
  }

  /** Adds an object; what was said of it before it was seen, by its dependents, may have been wrong. */
  #insert(ref: ResourceRef, object: KubeObject, dependents: Set<string> = new Set()): GraphNode {
    const { uid = '', name = '', namespace = '' } = object.metadata ?? {};
    const node = newNode({ uid, name, namespace, ref, dependents });
    this.#nodes.set(uid, node);
    for (const dependentUid of dependents) {
      const dependent = this.#nodes.get(dependentUid);
      const reference = dependent?.owners.find((owner) => owner.uid === uid);
      if (dependent !== undefined && reference !== undefined) this.#checkReference(dependent, reference, node);
    }
    return node;
  }

  /** A reference with the uid of an object and another name, kind or namespace names nothing: the dependent needs a look. */
  #checkReference(node: GraphNode, reference: OwnerReference, owner: GraphNode): void {
    if (owner.ref === undefined) return;
    const isMisplaced = owner.namespace !== '' && owner.namespace !== node.namespace;
    if (isMisplaced) this.#sink.misplacedOwner(node, reference);
    const names = reference.name === owner.name && reference.kind === owner.ref.kind;
    if (isMisplaced || !names || groupOf(reference.apiVersion) !== owner.ref.group)
      this.#sink.attemptToDelete(node.uid);
  }

  #setOwners(node: GraphNode, owners: readonly OwnerReference[]): void {
    const before = node.owners;
    node.owners = owners;
    const kept = new Map(owners.map((owner) => [owner.uid, owner]));
    for (const old of before) {
      const now = kept.get(old.uid);
      const ownerNode = this.#nodes.get(old.uid);
      if (ownerNode === undefined) continue;
      if (now === undefined) ownerNode.dependents.delete(node.uid);
      const isUnblocked = old.blockOwnerDeletion === true && now?.blockOwnerDeletion !== true;
      if (isUnblocked && ownerNode.isDeletingDependents) this.#sink.attemptToDelete(old.uid);
      if (now === undefined) this.#dropIfUnused(ownerNode);
    }
    for (const owner of owners) {
      let ownerNode = this.#nodes.get(owner.uid);
      if (ownerNode === undefined) {
        const { uid, name } = owner;
        ownerNode = newNode({ uid, name, namespace: node.namespace, ref: undefined, dependents: new Set() });
        this.#nodes.set(owner.uid, ownerNode);
      }
      ownerNode.dependents.add(node.uid);
      this.#checkReference(node, owner, ownerNode);
      if (ownerNode.ref === undefined) this.#sink.verifyOwners(node.uid);
      else if (ownerNode.isDeletingDependents) this.#sink.attemptToDelete(node.uid);
    }
  }

  #setState(node: GraphNode, object: KubeObject): void {
    const { deletionTimestamp, finalizers = [] } = object.metadata ?? {};
    if (deletionTimestamp === undefined) return;
    node.isBeingDeleted = true;
    if (!node.isOrphaning && finalizers.includes(orphanFinalizer)) {
      node.isOrphaning = true;
      this.#sink.attemptToOrphan(node.uid);
    }
    if (!node.isDeletingDependents && finalizers.includes(foregroundFinalizer)) {
      node.isDeletingDependents = true;
      for (const dependent of node.dependents) this.#sink.attemptToDelete(dependent);
      this.#sink.attemptToDelete(node.uid);
    }
  }

  #dropIfUnused(node: GraphNode): void {
    if (node.ref === undefined && node.dependents.size === 0) this.#nodes.delete(node.uid);
  }
}

function newNode(
  identity: Pick<GraphNode, 'dependents' | 'name' | 'namespace' | 'uid'> & { readonly ref: ResourceRef | undefined },
): GraphNode {
  return { ...identity, owners: [], isBeingDeleted: false, isDeletingDependents: false, isOrphaning: false };
}

/** `apps` of `apps/v1`, and the empty text of `v1`: owners may be named in any version. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

function sameOwners(a: readonly OwnerReference[], b: readonly OwnerReference[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  return a.every((owner, index) => {
    const other = b[index];
    if (owner.uid !== other?.uid || owner.name !== other.name) return false;
    return (owner.blockOwnerDeletion === true) === (other.blockOwnerDeletion === true);
  });
}
