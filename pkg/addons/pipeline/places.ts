/** Names that the addon's objects and its program share. */

/** Where its pod and its Service are. */
export const pipelineNamespace = 'coxswain-pipeline';
/** Where it serves repositories, in its pod and as a Service. */
export const gitPort = 5001;
/** The variable that says of which class the pods of programs are, where they are not the default. */
export const runtimeClassVariable = 'PIPELINE_RUNTIME_CLASS';
/** The variable that says how images of Dockerfiles are made, as a list in JSON. */
export const imageCommandVariable = 'PIPELINE_IMAGE_COMMAND';
/** The variable that says where on the machine it keeps what is no object. */
export const folderVariable = 'PIPELINE_FOLDER';
