export { compactTable, type CompactOptions, type CompactReport } from './compact.ts'
export { expireTable, type ExpireOptions, type ExpireReport, type MaintenanceContext } from './expire.ts'
export {
  rewriteTableManifests,
  type RewriteManifestsOptions,
  type RewriteManifestsReport,
} from './rewrite-manifests.ts'
export { removeOrphanFiles, type OrphanOptions, type OrphanReport } from './orphan-files.ts'
export { Deletions } from './delete-files.ts'
export { ownTemporary } from './orphan-candidates.ts'
