import { defineQuery, defineUpdate } from '@temporalio/workflow'
import type {
  ApprovalInput,
  ConcurrencyInput,
  NarrowInput,
  PauseInput,
  Progress,
  ResumeInput,
} from '../src/contract/index.ts'

export const progressQuery = defineQuery<Progress>('progress')
export const pauseUpdate = defineUpdate<Progress, [PauseInput?]>('pause')
export const resumeUpdate = defineUpdate<Progress, [ResumeInput?]>('resume')
export const approveUpdate = defineUpdate<Progress, [ApprovalInput?]>('approve')
export const rejectUpdate = defineUpdate<Progress, [ApprovalInput?]>('reject')
export const setConcurrencyUpdate = defineUpdate<Progress, [ConcurrencyInput]>('setConcurrency')
export const narrowUpdate = defineUpdate<Progress, [NarrowInput?]>('narrow')
