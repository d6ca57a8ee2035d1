/** The packer's follower name; its cursor is the state *stored*. */
export const PACKER = 'packer'
