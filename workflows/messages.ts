import { defineQuery, defineUpdate } from '@temporalio/workflow'
import type { ApprovalInput, ConcurrencyInput, Progress } from '../src/contract/index.ts'

export const progressQuery = defineQuery<Progress>('progress')
export const pauseUpdate = defineUpdate<Progress, []>('pause')
export const resumeUpdate = defineUpdate<Progress, []>('resume')
export const approveUpdate = defineUpdate<Progress, [ApprovalInput?]>('approve')
export const rejectUpdate = defineUpdate<Progress, [ApprovalInput?]>('reject')
export const setConcurrencyUpdate = defineUpdate<Progress, [ConcurrencyInput]>('setConcurrency')
