import type { ListOf } from '@agentfs/contracts'

/** All items of a list, fetched page by page. */
export async function allPages<T>(
  fetchPage: (page: { limit: number; cursor?: string }) => Promise<ListOf<T>>,
): Promise<T[]> {
  const items: T[] = []
  for (let cursor: string | undefined; ;) {
    const page = await fetchPage({ limit: 1_000, ...(cursor === undefined ? {} : { cursor }) })
    items.push(...page.data)
    if (page.nextCursor === null) return items
    cursor = page.nextCursor
  }
}
