import { userInfo } from 'node:os'

/** The unprivileged user that Postgres runs as when we are root: Postgres itself refuses root. */
export interface DatabaseUser {
  readonly name: string
  readonly uid: number
  readonly gid: number
}

/** The spawn options that drop root; empty where we are not root. */
export function identity(user: DatabaseUser | undefined): { uid?: number; gid?: number } {
  return user === undefined || user.uid === userInfo().uid ? {} : { uid: user.uid, gid: user.gid }
}
