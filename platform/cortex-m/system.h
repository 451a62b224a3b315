/* Registers of the processor itself (ARMv7-M Architecture Reference Manual, B3.2; ARMv8-M, D1.2). */
#ifndef HF_SYSTEM_H
#define HF_SYSTEM_H

#include <stdint.h>

#define HF_REGISTER(address) (*(volatile uint32_t *)(address))

#define SYST_CSR     HF_REGISTER(0xE000E010)
#define SYST_RVR     HF_REGISTER(0xE000E014)
#define SYST_CVR     HF_REGISTER(0xE000E018)
#define NVIC_ISER(n) HF_REGISTER(0xE000E100 + 4 * (n))
#define SCB_SHCSR    HF_REGISTER(0xE000ED24)
#define SCB_CFSR     HF_REGISTER(0xE000ED28)
#define SCB_HFSR     HF_REGISTER(0xE000ED2C)
#define SCB_MMFAR    HF_REGISTER(0xE000ED34)
#define SCB_BFAR     HF_REGISTER(0xE000ED38)
#define MPU_TYPE     HF_REGISTER(0xE000ED90)
#define MPU_CTRL     HF_REGISTER(0xE000ED94)
#define MPU_RNR      HF_REGISTER(0xE000ED98)
#define MPU_RBAR     HF_REGISTER(0xE000ED9C)
#define MPU_RASR     HF_REGISTER(0xE000EDA0) /* ARMv7-M */
#define MPU_RLAR     HF_REGISTER(0xE000EDA0) /* ARMv8-M */
#define MPU_MAIR0    HF_REGISTER(0xE000EDC0)

/* What sections.ld leaves for the vectors, the initial stack with them. */
#define HF_VECTORS_BYTES (HF_HW_IRQS > 32 ? 512 : 256)

/* protect.c */
void hf_hw_protect(void);

#endif
