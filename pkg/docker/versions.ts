/** Which versions of Docker's API are spoken. Pure. */

/** That of Docker 20.10: newer clients come down to it. */
export const apiVersion = '1.41';

/** The oldest. */
export const apiVersionMin = '1.24';
