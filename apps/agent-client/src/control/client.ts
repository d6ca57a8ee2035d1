import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { controlAnswer, type ControlAnswer, type ControlRequest } from './protocol.js'

/** Asks a mount something over its control socket. Rejects when it does not answer in time. */
export function askMount(
  socketPath: string,
  request: ControlRequest,
  timeoutMs = 5_000,
): Promise<ControlAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath)
    const fail = (error: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(() => fail(new Error('the mount does not answer')), timeoutMs)
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the mount ended before it answered')))
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    createInterface({ input: socket }).once('line', (line) => {
      clearTimeout(timer)
      try {
        resolve(controlAnswer.parse(JSON.parse(line)))
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
      socket.destroy()
    })
  })
}
