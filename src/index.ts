export { defineConfig, type ProjectConfigInput } from './contract/config.ts'
export * from './definition/index.ts'
