/** An entry of a segment by its id. */
interface Identified {
  readonly id: string
}

/**
 * The order of a segment's entries: a version's parts, then its manifest, so that one range GET brings both; records last, in
 * one run, for a feed that catches up and for recovery. A part of several versions stands with the newest of them, which is
 * read most; one that no manifest here names stands before all. Within that, the order given.
 */
export function besideTheirManifests<
  Part extends Identified,
  Manifest extends Identified & { readonly partIds: readonly string[] },
  Rest,
>(parts: readonly Part[], manifests: readonly Manifest[], rest: readonly Rest[]): (Part | Manifest | Rest)[] {
  const owners = new Map<string, string>()
  for (const { id, partIds } of manifests) for (const partId of partIds) owners.set(partId, id)
  const owned = Map.groupBy(parts, ({ id }) => owners.get(id))
  return [
    ...(owned.get(undefined) ?? []),
    ...manifests.flatMap((manifest) => [...(owned.get(manifest.id) ?? []), manifest]),
    ...rest,
  ]
}
