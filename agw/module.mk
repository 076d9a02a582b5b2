# SPDX-License-Identifier: Apache-2.0
AGW_SRC += agw/agw.c agw/config.c agw/config_media.c
