/** How to mount. */
export interface FuseMountOptions {
  /** What `mount` shows as the source. */
  fsname: string
  /** The type becomes `fuse.<subtype>`. */
  subtype?: string
  readOnly?: boolean
  /** Let other users in; for other than root it takes `user_allow_other` in `/etc/fuse.conf`. */
  allowOther?: boolean
  /** The kernel checks modes and owners by itself, on by default. */
  defaultPermissions?: boolean
  readBytesMax?: number
  /** mount(2) rather than `fusermount3`; by default where the process is root. */
  privileged?: boolean
}
