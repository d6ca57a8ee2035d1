/** Which half of the service a process is. */
export const SERVICE_ROLES = ['all', 'api', 'worker'] as const
/** Which half of the service a process is. */
export type ServiceRole = (typeof SERVICE_ROLES)[number]
