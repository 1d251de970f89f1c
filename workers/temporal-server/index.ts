export { startDevServer, type DevServer, type DevServerExit, type DevServerOptions } from './dev-server.ts'
export { findServer, type FindServerOptions, type ServerStep, type StepOutcome } from './find-server.ts'
export { freePort, portIsFree } from './ports.ts'
